/** Rules that involve several keys: `grants.state` and the section `state`. */
import { isShort, type ProviderOutline } from "../../schema/outline.ts";
import type { Rule } from "../../schema/rule.ts";
import type { Path } from "../../schema/text.ts";

export const RULES: readonly Rule[] = [
  {
    description: "A record is granted once, to one provider.",
    *check({ document, providers = [] }) {
      const seen = new Map<string, Path>();
      for (const provider of providers) {
        for (const [i, name] of recordsOf(provider).entries()) {
          if (typeof name !== "string") continue;
          const path: Path = ["providers", provider.name, "grants", "state", "names", i];
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
    description: "`state` is required if a provider is granted a record.",
    *check({ document, has, providers = [] }) {
      if (has("state") || !providers.some((provider) => recordsOf(provider).length > 0)) return;
      yield document.fault(["state"], {
        expected: "a folder of records, because a provider is granted some",
        remedy: "write: state: { directory: /var/lib/kleidi/state }",
      });
    },
  },
];

function recordsOf({ grants }: ProviderOutline): readonly unknown[] {
  const names = grants.state?.names;
  return isShort(names) ? names : [];
}
