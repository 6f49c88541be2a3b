/** Rules that involve several keys: `grants.keystore`, the section `keystore`, and `keys`. */
import type { Fault, FaultLocator } from "../../schema/fault.ts";
import { lineFor } from "../../schema/line.ts";
import { isCalled, isShort, type KeyOutline, type ProviderOutline } from "../../schema/outline.ts";
import type { Rule } from "../../schema/rule.ts";
import { cut, list, nearest, type Path } from "../../schema/text.ts";

export const RULES: readonly Rule[] = [
  {
    description:
      "A keystore key is granted once, as a key or as a passphrase, and only to its provider in `keys`.",
    *check({ document, providers = [], keys }) {
      for (const provider of providers) {
        const granted = grantedTo(provider);
        for (const { name, path } of granted) {
          if (typeof name !== "string") continue;
          const first = granted.find((one) => one.name === name);
          if (first !== undefined && first.path !== path) yield duplicateFault(document, path, first.path);
          else if (keys !== undefined)
            yield* ownershipFaults(document, path, name, provider, providers, keys);
        }
      }
    },
  },
  {
    description: "`keystore` is required if a provider is granted a keystore key.",
    *check({ document, has, providers = [] }) {
      if (has("keystore") || !providers.some((provider) => grantedTo(provider).length > 0)) return;
      yield document.fault(["keystore"], {
        expected: "a keystore, because a provider is granted keys of it",
        remedy: "write: keystore: { directory: /var/lib/kleidi/keys }",
      });
    },
  },
];

/** The names under `keys`, then those under `passphrases`, with their paths. */
function grantedTo({ name: provider, grants }: ProviderOutline): { name: unknown; path: Path }[] {
  return ["keys", "passphrases"].flatMap((use) => {
    const names = grants.keystore?.[use];
    const path = ["providers", provider, "grants", "keystore", use];
    return isShort(names) ? names.map((name, i) => ({ name, path: [...path, i] })) : [];
  });
}

/** The fault of a name that is granted twice. Granted for both uses, the guest could learn the bytes that the other use keeps from it. */
function duplicateFault(document: FaultLocator, path: Path, first: Path): Fault {
  if (path.at(-2) === first.at(-2))
    return document.fault(path, { expected: "each name once", remedy: "remove the second one" });
  return document.fault(path, {
    expected: `a name that is not also granted as a key (line ${document.lineOf(first)} has it)`,
    remedy: "remove one of the two",
  });
}

/** At most one fault: a granted name that is not a key of the provider it is granted to. */
function* ownershipFaults(
  document: FaultLocator,
  path: Path,
  name: string,
  to: ProviderOutline,
  providers: readonly ProviderOutline[],
  keys: readonly KeyOutline[],
): Iterable<Fault> {
  const key = keys.find((key) => key.name === name);
  if (key !== undefined) {
    const owner = providers.find((provider) => isCalled(provider, key.provider));
    // the key's provider is misspelt: another rule reports that
    if (owner === undefined || owner === to) return;
    yield document.fault(path, {
      expected: "a key of this provider",
      actual: `one of the provider ${cut(owner.meant)}`,
      remedy: "remove it",
    });
    return;
  }
  // it may be a key whose name is unreadable
  if (keys.some(({ name }) => typeof name !== "string")) return;
  const names = keys.flatMap((key) =>
    isCalled(to, key.provider) && typeof key.name === "string" ? [key.name] : [],
  );
  const meant = nearest(
    name,
    names.filter((key) => !grantedTo(to).some((one) => one.name === key)),
  );
  yield document.fault(path, {
    expected:
      names.length === 0 ? "a key of this provider in keys" : `a key of this provider: ${list(names)}`,
    remedy:
      meant === undefined ? "remove it, or add the key to keys" : `write: ${lineFor(path, { value: meant })}`,
  });
}
