/** The rules across the keys of `trust`, and those that it imposes on providers. */
import type { Fault } from "../schema/fault.ts";
import type { Rule } from "../schema/rule.ts";
import { type Path, quoted } from "../schema/text.ts";
import type { ConfigOutline } from "./outline.ts";
import { partsOfKey } from "./trust-schema.ts";

export const TRUST_RULES: readonly Rule<ConfigOutline>[] = [
  {
    description: "`trust.threshold` is at most the number of `trust.keys`.",
    *check({ document, trust }) {
      const { threshold, keys = [] } = trust ?? {};
      if (typeof threshold !== "number" || keys.length === 0 || threshold <= keys.length) return;
      yield document.fault(["trust", "threshold"], {
        expected: `at most the number of trust.keys, which is ${keys.length}`,
        remedy: `write: threshold: ${keys.length}, or add keys`,
      });
    },
  },
  {
    description: "No two of `trust.keys` have the same name.",
    *check(outline) {
      yield* duplicates(outline, "name", ({ name }) => (typeof name === "string" ? name : undefined), {
        noun: "a name",
        remedy: "give this key another name, or remove it",
      });
    },
  },
  {
    description:
      "No two of `trust.keys` are the same key or have the same key id: one key would be counted as two.",
    *check(outline) {
      const remedy = "remove this key";
      yield* duplicates(outline, "key", ({ key }) => partsOfKey(key)?.id, { noun: "a key id", remedy });
      // the id is only a label: the same key with another id is not a second key
      yield* duplicates(outline, "key", ({ key }) => partsOfKey(key)?.ed25519, {
        noun: "an Ed25519 key",
        remedy,
      });
    },
  },
  {
    description: "Each of `trust.revoked` has either `sha256` or `key`.",
    *check({ document, trust }) {
      for (const [i, { sha256, key }] of (trust?.revoked ?? []).entries()) {
        if (sha256 !== key) continue;
        const path: Path = ["trust", "revoked", i];
        yield document.fault(path, {
          expected: "either sha256 (of a module) or key (a key's id)",
          actual: sha256 ? "both" : "neither",
          remedy: sha256 ? "split it into two items" : "add one of them",
        });
      }
    },
  },
  {
    description: "`signatures` of a provider require `trust`: nothing else uses them.",
    *check({ document, trust, providers = [] }) {
      if (trust !== undefined) return;
      for (const { name, signed } of providers) {
        if (!signed) continue;
        yield document.fault(
          ["providers", name, "signatures"],
          {
            expected: "signatures only with trust, which names the keys that count",
            actual: "no trust",
            remedy:
              "remove the key, or write: trust: { keys: [{ name: release-2026, key: <the second line of the .pub file> }] }",
          },
          "key",
        );
      }
    },
  },
];

type TrustKey = { readonly name: unknown; readonly key: unknown };

/**
 * Reports each trust key that shares a property with an earlier one.
 * @param of the property; undefined if the key is invalid
 * @param noun the property in the sentence
 */
function* duplicates(
  { document, trust }: ConfigOutline,
  at: "name" | "key",
  of: (key: TrustKey) => string | undefined,
  { noun, remedy }: { noun: string; remedy: string },
): Iterable<Fault> {
  const values = (trust?.keys ?? []).map(of);
  for (const [i, value] of values.entries()) {
    const first = values.indexOf(value);
    if (value === undefined || first === i) continue;
    yield document.fault(["trust", "keys", i, at], {
      expected: `${noun} that no other key has (line ${document.lineOf(["trust", "keys", first, at])} has it)`,
      actual: at === "name" ? quoted(value) : "the same",
      remedy,
    });
  }
}
