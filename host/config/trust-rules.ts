/** What crosses keys of `trust`, and what it asks of providers. */
import type { Fault } from "../schema/fault.ts";
import type { Rule } from "../schema/rule.ts";
import { type Path, quoted } from "../schema/text.ts";
import type { ConfigOutline } from "./outline.ts";
import { partsOfKey } from "./trust-schema.ts";

export const TRUST_RULES: readonly Rule<ConfigOutline>[] = [
  {
    says: "`trust.threshold` is at most the number of `trust.keys`.",
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
    says: "No two of `trust.keys` have the same name.",
    *check(outline) {
      yield* twice(outline, "name", ({ name }) => (typeof name === "string" ? name : undefined), {
        what: "a name",
        remedy: "give this key another name, or remove it",
      });
    },
  },
  {
    says: "No two of `trust.keys` are the same key or have the same key id: each would count for the other.",
    *check(outline) {
      const remedy = "remove this key";
      yield* twice(outline, "key", ({ key }) => partsOfKey(key)?.id, { what: "a key id", remedy });
      // the id is only a label: another one in front of the same key does not make it a second key
      yield* twice(outline, "key", ({ key }) => partsOfKey(key)?.ed25519, { what: "an Ed25519 key", remedy });
    },
  },
  {
    says: "Each of `trust.revoked` has either `sha256` or `key`.",
    *check({ document, trust }) {
      for (const [i, { sha256, key }] of (trust?.revoked ?? []).entries()) {
        if (sha256 !== key) continue;
        const path: Path = ["trust", "revoked", i];
        yield document.fault(path, {
          expected: "either sha256 (of a module) or key (a key's id)",
          actual: sha256 ? "both" : "neither",
          remedy: sha256 ? "make two items of it" : "add one of them",
        });
      }
    },
  },
  {
    says: "A provider has `signatures` only if there is `trust`: nobody else would look at them.",
    *check({ document, trust, providers = [] }) {
      if (trust !== undefined) return;
      for (const { name, signed } of providers) {
        if (!signed) continue;
        yield document.fault(
          ["providers", name, "signatures"],
          {
            expected: "signatures only with trust, which says whose they must be",
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

/** A fault for each trust key that has what an earlier one has. */
function* twice(
  { document, trust }: ConfigOutline,
  at: "name" | "key",
  of: (key: TrustKey) => string | undefined,
  { what, remedy }: { what: string; remedy: string },
): Iterable<Fault> {
  const values = (trust?.keys ?? []).map(of);
  for (const [i, value] of values.entries()) {
    const first = values.indexOf(value);
    if (value === undefined || first === i) continue;
    yield document.fault(["trust", "keys", i, at], {
      expected: `${what} that no other key has (line ${document.lineOf(["trust", "keys", first, at])} has it)`,
      actual: at === "name" ? quoted(value) : "the same",
      remedy,
    });
  }
}
