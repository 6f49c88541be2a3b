/** The rules across the keys of `grants.pkcs11`. */
import { dirname } from "node:path";
import { isMapping, isShort, type Mapping, type ProviderOutline } from "../../schema/outline.ts";
import type { Rule } from "../../schema/rule.ts";

export const RULES: readonly Rule[] = [
  {
    description:
      "A label of a token in `grants.pkcs11` is in `keys` or in `foreign`, not in both, whatever the providers are: kleidí does not encrypt with a key of another plugin.",
    *check({ document, providers = [] }) {
      const granted = providers.flatMap((provider) => labelsOf(provider, "keys"));
      for (const { path, label, token } of providers.flatMap((provider) => labelsOf(provider, "foreign"))) {
        const other = granted.find((key) => key.label === label && key.token === token);
        if (other === undefined) continue;
        yield document.fault(path, {
          expected: `a label that is not in keys (line ${document.lineOf(other.path)} has it)`,
          remedy: "remove it from keys, and create another key on the token for kleidí",
        });
      }
    },
  },
  {
    description:
      "`grants.pkcs11.mechanism` needs `keys`: a key of another plugin is used as that plugin did.",
    *check({ document, providers = [] }) {
      for (const { name, grants } of providers) {
        const { keys, mechanism } = grants.pkcs11 ?? {};
        if (mechanism === undefined || keys !== undefined) continue;
        yield document.fault(["providers", name, "grants", "pkcs11", "mechanism"], {
          expected: "no mechanism, because the grant has no keys",
          remedy: "remove it",
        });
      }
    },
  },
  {
    description:
      "A module of `grants.pkcs11` reads its whole folder, `reads` and `writes`: no PIN may be there, and a module has a folder below `/`.",
    *check({ document, providers = [] }) {
      const pins = providers.flatMap(({ grants }) => pinOf(grants.pkcs11));
      for (const { name, grants } of providers) {
        const { module } = grants.pkcs11 ?? {};
        if (typeof module !== "string") continue;
        const folder = dirname(module);
        const pin = pins.find((file) => isUnder(folder, file));
        if (folder !== "/" && pin === undefined) continue;
        yield document.fault(["providers", name, "grants", "pkcs11", "module"], {
          expected: "a module in a folder without a PIN, because the module can read its whole folder",
          remedy: "move the module into a folder of its own",
        });
      }
    },
  },
];

interface Label {
  readonly label: unknown;
  /** The module's path and the token's label. */
  readonly token: string;
  readonly path: readonly (string | number)[];
}

function labelsOf({ name, grants }: ProviderOutline, list: "keys" | "foreign"): Label[] {
  const { [list]: labels, module, token } = grants.pkcs11 ?? {};
  if (!isShort(labels)) return [];
  const path = ["providers", name, "grants", "pkcs11", list];
  return labels.map((label, i) => ({ label, token: `${module} ${token}`, path: [...path, i] }));
}

function pinOf(grant: Mapping | undefined): string[] {
  const pin = grant?.pin;
  const file = isMapping(pin) ? pin.file : undefined;
  return typeof file === "string" ? [file] : [];
}

function isUnder(folder: string, file: string): boolean {
  return file.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
