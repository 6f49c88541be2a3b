/** The rule across the keys of `grants.pkcs11`. */
import { isShort } from "../../schema/outline.ts";
import type { Rule } from "../../schema/rule.ts";

export const RULES: readonly Rule[] = [
  {
    description:
      "A label in `grants.pkcs11` is in `keys` or in `foreign`, not in both: kleidí does not encrypt with a key of another plugin.",
    *check({ document, providers = [] }) {
      for (const { name, grants } of providers) {
        const { keys, foreign } = grants.pkcs11 ?? {};
        if (!isShort(keys) || !isShort(foreign)) continue;
        const of = ["providers", name, "grants", "pkcs11"];
        for (const [i, label] of foreign.entries()) {
          const other = keys.indexOf(label);
          if (other < 0) continue;
          yield document.fault([...of, "foreign", i], {
            expected: `a label that is not in keys (line ${document.lineOf([...of, "keys", other])} has it)`,
            remedy: "remove it from keys, and create another key on the token for kleidí",
          });
        }
      }
    },
  },
];
