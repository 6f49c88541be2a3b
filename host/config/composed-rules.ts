/** The rules about keys that are composed of other keys. */
import { isShort, type KeyOutline } from "../schema/outline.ts";
import type { Rule } from "../schema/rule.ts";
import { list, nearest, quoted } from "../schema/text.ts";
import type { ConfigOutline } from "./outline.ts";

const KINDS = ["provider", "anyOf", "allOf"] as const;
const MODES = ["anyOf", "allOf"] as const;
/** The schema refuses a longer list. */
const MOST = 4;

/** True for a key that has members, or should have. */
export function isComposed({ has }: KeyOutline): boolean {
  return has.has("anyOf") || has.has("allOf");
}

export const COMPOSED_RULES: readonly Rule<ConfigOutline>[] = [
  {
    description: "A key has exactly one of `provider`, `anyOf` and `allOf`.",
    *check({ document, keys = [] }) {
      for (const [i, { has }] of keys.entries()) {
        const kinds = KINDS.filter((kind) => has.has(kind));
        const [first, second] = kinds;
        if (first === undefined && has.size > 0)
          yield document.fault(["keys", i, "provider"], {
            expected: "the name of a provider",
            remedy: "write: provider: local",
          });
        if (second === undefined) continue;
        yield document.fault(
          ["keys", i, second],
          {
            expected: `a key with one of ${kinds.join(" and ")}`,
            actual: "both",
            remedy: `remove ${second}`,
          },
          "key",
        );
      }
    },
  },
  {
    description: "`version`, `settings` and `foreign` are of a key with a provider; so is `use: member`.",
    *check({ document, keys = [] }) {
      for (const [i, key] of keys.entries()) {
        if (!isComposed(key)) continue;
        for (const name of ["version", "settings", "foreign"].filter((each) => key.has.has(each)))
          yield document.fault(
            ["keys", i, name],
            { expected: `no ${name} for a composed key`, actual: name, remedy: "write it at the members" },
            "key",
          );
        if (key.use === "member")
          yield document.fault(["keys", i, "use"], {
            expected: "active or decrypt for a composed key: a member of it has a provider",
            remedy: "write: use: decrypt",
          });
      }
    },
  },
  {
    description: "A member of `anyOf` or `allOf` is a key with `use: member` and a provider, listed once.",
    *check({ document, keys = [] }) {
      const candidates = keys.filter((key) => !isComposed(key));
      for (const [i, mode, names] of lists(keys))
        for (const [at, name] of names.entries()) {
          if (typeof name !== "string") continue;
          const path = ["keys", i, mode, at] as const;
          const found = keys.findIndex((key) => key.name === name);
          const key = keys[found];
          if (names.indexOf(name) < at)
            yield document.fault(path, {
              expected: "a member that is not listed before",
              remedy: "remove it, or name another key",
            });
          else if (key === undefined) {
            const known = candidates.flatMap((each) => (typeof each.name === "string" ? [each.name] : []));
            const meant = nearest(name, known);
            yield document.fault(path, {
              expected: `one of the keys ${list(known)}`,
              remedy: meant === undefined ? "add the key to keys, with use: member" : `write: - ${meant}`,
            });
          } else if (isComposed(key))
            yield document.fault(path, {
              expected: "a key with a provider",
              actual: `${quoted(name)}, which is composed itself`,
              remedy: "name the members of that key",
            });
          else if (key.use === "active" || key.use === "decrypt")
            yield document.fault(path, {
              expected: "a key with use: member",
              actual: `${quoted(name)}, which has use: ${key.use}`,
              remedy: `write: use: member (line ${document.lineOf(["keys", found, "use"])})`,
            });
        }
    },
  },
  {
    description: "A key with `use: member` is a member of a composed key.",
    *check({ document, keys = [] }) {
      const named = new Set(lists(keys).flatMap(([, , names]) => names));
      for (const [i, key] of keys.entries()) {
        if (key.use !== "member" || isComposed(key) || named.has(key.name)) continue;
        yield document.fault(["keys", i, "use"], {
          expected: "a member that anyOf or allOf of another key names",
          actual: "a member of no key",
          remedy: "write: use: decrypt",
        });
      }
    },
  },
];

/** The lists of members that are not too long to compare. */
function lists(keys: readonly KeyOutline[]): [number, (typeof MODES)[number], readonly unknown[]][] {
  return keys.flatMap((key, i) =>
    MODES.flatMap((mode): [number, (typeof MODES)[number], readonly unknown[]][] => {
      const names = key[mode];
      return isShort(names) && names.length <= MOST ? [[i, mode, names]] : [];
    }),
  );
}
