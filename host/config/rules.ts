/**
 * What crosses keys of the file. The rules read the document as it was written, not what the schema made of it, so that
 * a fault in one place does not hide one in another; what is not there or has the wrong type is left to the schema.
 */
import { resolve } from "node:path";
import { ADMIN_RULES } from "./admin-rules.ts";
import { AUDIT_RULES } from "./audit-rules.ts";
import type { ConfigFault } from "./config-error.ts";
import type { Document } from "./document.ts";
import { lineFor } from "./faults.ts";
import { LIMIT_RULES } from "./limit-rules.ts";
import { NET_RULES } from "./net-rules.ts";
import { areNamed, isCalled, type KeyOutline, outlineOf, type ProviderOutline } from "./outline.ts";
import { PROVIDER_NAME } from "./provider-schema.ts";
import type { Rule } from "./rule.ts";
import { LONGEST_SOCKET } from "./socket-path.ts";
import { cut, LONGEST, nearest, type Path, quoted } from "./text.ts";
import { TRUST_RULES } from "./trust-rules.ts";

export const RULES: readonly Rule[] = [
  {
    says: `The path of the socket is at most ${LONGEST_SOCKET} bytes long once it is resolved.`,
    *check({ document, folder, socket }) {
      if (socket === undefined) return;
      const bytes = Buffer.byteLength(resolve(folder, socket));
      if (bytes <= LONGEST_SOCKET) return;
      yield document.fault(["listen", "socket"], {
        expected: `a path of at most ${LONGEST_SOCKET} bytes once resolved`,
        actual: `one of ${bytes} bytes`,
        remedy: "write: socket: /run/kleidi/kms.sock",
      });
    },
  },
  {
    says: 'A provider\'s name is of a-z, 0-9 and "-", at most 63 characters, the first a letter.',
    *check({ document, providers = [] }) {
      for (const { name, meant } of providers) {
        if (PROVIDER_NAME.test(name)) continue;
        yield document.fault(
          ["providers", name],
          {
            expected: 'a provider name of a-z, 0-9 and "-", at most 63 characters, the first a letter',
            actual: quoted(name),
            remedy:
              meant === name || meant.length > LONGEST
                ? "choose a shorter or simpler name"
                : `write: ${meant}:`,
          },
          "key",
        );
      }
    },
  },
  {
    says: "No two keys have the same name.",
    *check({ document, keys = [] }) {
      for (const [i, { name }] of keys.entries()) {
        const first = keys.findIndex((key) => key.name === name);
        if (typeof name !== "string" || first === i) continue;
        yield document.fault(["keys", i, "name"], {
          expected: `a name that no other key has (line ${document.lineOf(["keys", first, "name"])} has it)`,
          remedy: "give this key another name, or remove it",
        });
      }
    },
  },
  {
    says: "Exactly one key has `use: active`.",
    *check({ document, keys = [] }) {
      const active = keys.flatMap(({ use }, i) => (use === "active" ? [i] : []));
      const [first] = active;
      const readable = keys.length > 0 && keys.every(({ use }) => use === "decrypt");
      if (readable)
        yield document.fault(
          ["keys"],
          {
            expected: "one key with use: active",
            actual: "none",
            remedy: "write: use: active (at the key that new objects are encrypted with)",
          },
          "key",
        );
      for (const i of active.slice(1))
        yield document.fault(["keys", i, "use"], {
          expected: `one key with use: active (line ${document.lineOf(["keys", first ?? 0, "use"])} has it)`,
          actual: "another one",
          remedy: "write: use: decrypt",
        });
    },
  },
  {
    says: "The provider of a key is one of `providers`.",
    *check({ document, providers, keys = [] }) {
      if (providers === undefined || providers.length === 0 || !areNamed(providers)) return;
      const names = providers.map(({ meant }) => meant);
      for (const [i, { provider }] of keys.entries()) {
        if (typeof provider !== "string" || providers.some((one) => isCalled(one, provider))) continue;
        const path: Path = ["keys", i, "provider"];
        const meant = nearest(provider, names) ?? (names.length === 1 ? names[0] : undefined);
        yield document.fault(path, {
          expected: `one of the providers ${list(names)}`,
          remedy: meant === undefined ? "add it to providers" : `write: ${lineFor(path, { value: meant })}`,
        });
      }
    },
  },
  {
    says: "Every provider has a key.",
    *check({ document, providers = [], keys }) {
      if (keys === undefined) return;
      const used = keys.map(({ provider }) => provider);
      // a key whose provider is misspelt or missing may be this one's: that fault comes first
      if (used.some((name) => !providers.some((one) => isCalled(one, name)))) return;
      for (const provider of providers) {
        if (used.some((name) => isCalled(provider, name))) continue;
        const { name, meant } = provider;
        yield document.fault(
          ["providers", name],
          {
            expected: "a provider that a key uses",
            actual: "no key of it",
            remedy: `remove the provider, or add a key, write: - { name: …, provider: ${cut(meant)}, use: decrypt }`,
          },
          "key",
        );
      }
    },
  },
  {
    says: "A keystore key is granted once, as a key or as a passphrase, to the provider that has it in `keys`: nothing is granted that is not used.",
    *check({ document, providers = [], keys }) {
      for (const provider of providers) {
        for (const { name, path } of provider.granted) {
          if (typeof name !== "string") continue;
          const first = provider.granted.find((one) => one.name === name);
          if (first !== undefined && first.path !== path) yield twice(document, path, first.path);
          else if (keys !== undefined) yield* ungrantable(document, path, name, provider, providers, keys);
        }
      }
    },
  },
  {
    says: "`keystore` is there if a provider is granted a keystore key.",
    *check({ document, keystore, providers = [] }) {
      if (keystore || !providers.some(({ granted }) => granted.length > 0)) return;
      yield document.fault(["keystore"], {
        expected: "a keystore, because a provider is granted keys of it",
        remedy: "write: keystore: { directory: /var/lib/kleidi/keys }",
      });
    },
  },
  ...TRUST_RULES,
  ...NET_RULES,
  ...AUDIT_RULES,
  ...LIMIT_RULES,
  ...ADMIN_RULES,
  {
    says: "A record is granted once, to one provider.",
    *check({ document, providers = [] }) {
      const seen = new Map<string, Path>();
      for (const { name: provider, records } of providers) {
        for (const [i, name] of records.entries()) {
          if (typeof name !== "string") continue;
          const path: Path = ["providers", provider, "grants", "state", "names", i];
          const first = seen.get(name);
          if (first === undefined) seen.set(name, path);
          else
            yield document.fault(path, {
              expected: `a record that is granted once (line ${document.lineOf(first)} grants it)`,
              remedy: "remove it, or give this one another name",
            });
        }
      }
    },
  },
  {
    says: "`state` is there if a provider is granted a record.",
    *check({ document, state, providers = [] }) {
      if (state || !providers.some(({ records }) => records.length > 0)) return;
      yield document.fault(["state"], {
        expected: "a folder of records, because a provider is granted some",
        remedy: "write: state: { directory: /var/lib/kleidi/state }",
      });
    },
  },
];

/** Of a name that is granted a second time. For both uses at once, the guest would hold what the other keeps from it. */
function twice(document: Document, path: Path, first: Path): ConfigFault {
  if (path.at(-2) === first.at(-2))
    return document.fault(path, { expected: "each name once", remedy: "remove the second one" });
  return document.fault(path, {
    expected: `a name that is not also granted as a key (line ${document.lineOf(first)} has it)`,
    remedy: "remove one of the two",
  });
}

/** At most one fault: of a name under grants that is no key of the provider that it is granted to. */
function* ungrantable(
  document: Document,
  path: Path,
  name: string,
  to: ProviderOutline,
  providers: readonly ProviderOutline[],
  keys: readonly KeyOutline[],
): Iterable<ConfigFault> {
  const key = keys.find((key) => key.name === name);
  if (key !== undefined) {
    const owner = providers.find((provider) => isCalled(provider, key.provider));
    // the key's provider is misspelt: that fault comes first
    if (owner === undefined || owner === to) return;
    yield document.fault(path, {
      expected: "a key of this provider",
      actual: `one of the provider ${cut(owner.meant)}`,
      remedy: "remove it",
    });
    return;
  }
  // it may be the name that cannot be read
  if (keys.some(({ name }) => typeof name !== "string")) return;
  const names = keys.flatMap((key) =>
    isCalled(to, key.provider) && typeof key.name === "string" ? [key.name] : [],
  );
  const meant = nearest(
    name,
    names.filter((key) => !to.granted.some((one) => one.name === key)),
  );
  yield document.fault(path, {
    expected:
      names.length === 0 ? "a key of this provider in keys" : `a key of this provider: ${list(names)}`,
    remedy:
      meant === undefined ? "remove it, or add the key to keys" : `write: ${lineFor(path, { value: meant })}`,
  });
}

function list(all: readonly string[]): string {
  const names = [...new Set(all)];
  const shown = names.slice(0, 5).map((name) => quoted(name).slice(1, -1));
  return names.length > shown.length
    ? `${shown.join(", ")} and ${names.length - shown.length} more`
    : shown.join(", ");
}

/** Every rule's faults. Relative paths are resolved against `folder`, which is absolute. */
export function brokenRules(document: Document, folder: string): ConfigFault[] {
  const outline = outlineOf(document, folder);
  return RULES.flatMap(({ check }) => [...check(outline)]);
}
