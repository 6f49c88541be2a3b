/** The rules of `keys[].foreign`: the keys for the objects of another plugin. */
import type { Rule } from "../schema/rule.ts";
import type { ConfigOutline } from "./outline.ts";

export const FOREIGN_RULES: readonly Rule<ConfigOutline>[] = [
  {
    description:
      "A key with `foreign` has `use: decrypt`: kleidí does not write the formats of other plugins.",
    *check({ document, keys = [] }) {
      for (const [i, { foreign, use }] of keys.entries()) {
        if (foreign === undefined || (use !== "active" && use !== "member")) continue;
        yield document.fault(["keys", i, "use"], {
          expected: "use: decrypt, because the key has foreign",
          actual: use,
          remedy: "write: use: decrypt (and add a key of kleidí with use: active)",
        });
      }
    },
  },
  {
    description: "No two keys have the same `foreign`: their objects could not be told apart.",
    *check({ document, keys = [] }) {
      for (const [i, { foreign }] of keys.entries()) {
        const first = keys.findIndex((key) => key.foreign === foreign);
        if (typeof foreign !== "string" || first === i) continue;
        yield document.fault(["keys", i, "foreign"], {
          expected: `a format that no other key has (line ${document.lineOf(["keys", first, "foreign"])} has it)`,
          remedy: "remove this key; rewrite the objects of the other one first",
        });
      }
    },
  },
];
