/**
 * The rules across keys of the file. They read the document as written and not the output of the schema, so that a fault
 * in one place does not hide one in another. Missing values and wrong types are left to the schema.
 */
import { resolve } from "node:path";
import type { Capability } from "../capabilities/capability.ts";
import { CAPABILITIES } from "../capabilities/registry.ts";
import type { Fault } from "../schema/fault.ts";
import { PROVIDER_NAME } from "../schema/field.ts";
import { lineFor } from "../schema/line.ts";
import { isCalled } from "../schema/outline.ts";
import type { Rule } from "../schema/rule.ts";
import { cut, LONGEST, list, nearest, type Path, quoted } from "../schema/text.ts";
import { ADMIN_RULES } from "./admin-rules.ts";
import { AUDIT_RULES } from "./audit-rules.ts";
import { COMPOSED_RULES, isComposed } from "./composed-rules.ts";
import type { Document } from "./document.ts";
import { FOREIGN_RULES } from "./foreign-rules.ts";
import { LIMIT_RULES } from "./limit-rules.ts";
import { type ConfigOutline, haveValidNames, outlineOf } from "./outline.ts";
import { foreignForm, LONGEST_SOCKET } from "./socket-path.ts";
import { TRUST_RULES } from "./trust-rules.ts";

export const RULES: readonly Rule<ConfigOutline>[] = [
  {
    description:
      "The path of a socket is a path of the file system: no URL, no abstract socket, no `~`, no specifier of systemd and no variable.",
    *check({ document, socket }) {
      const actual = socket === undefined ? undefined : foreignForm(socket);
      if (actual === undefined) return;
      const url = /^unix:\/*(\/[^\0]+)$/.exec(socket ?? "")?.[1];
      yield document.fault(["listen", "socket"], {
        expected: "the path of a socket in the file system",
        actual: `${quoted(socket ?? "")}, ${actual}`,
        remedy: `write: socket: ${url !== undefined && url.length <= LONGEST ? url : "/run/kleidi/kms.sock"}`,
      });
    },
  },
  {
    description: `The path of the socket is at most ${LONGEST_SOCKET} bytes long after it is resolved.`,
    *check({ document, folder, socket }) {
      if (socket === undefined) return;
      const bytes = Buffer.byteLength(resolve(folder, socket));
      if (bytes <= LONGEST_SOCKET) return;
      yield document.fault(["listen", "socket"], {
        expected: `a path of at most ${LONGEST_SOCKET} bytes once resolved`,
        actual: `a path of ${bytes} bytes`,
        remedy: "write: socket: /run/kleidi/kms.sock",
      });
    },
  },
  {
    description: 'A provider\'s name is of a-z, 0-9 and "-", at most 63 characters, the first a letter.',
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
    description: "No two keys have the same name.",
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
    description: "Exactly one key has `use: active`.",
    *check({ document, keys = [] }) {
      const active = keys.flatMap(({ use }, i) => (use === "active" ? [i] : []));
      const [first] = active;
      const noneActive = keys.length > 0 && keys.every(({ use }) => use === "decrypt" || use === "member");
      if (noneActive)
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
          actual: "a second active key",
          remedy: "write: use: decrypt",
        });
    },
  },
  {
    description: "The provider of a key is one of `providers`.",
    *check({ document, providers, keys = [] }) {
      if (providers === undefined || providers.length === 0 || !haveValidNames(providers)) return;
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
    description: "Every provider has a key.",
    *check({ document, providers = [], keys }) {
      if (keys === undefined) return;
      const used = keys.filter((key) => !isComposed(key)).map(({ provider }) => provider);
      // a key whose provider is misspelt or missing may belong to this provider: that fault comes first
      if (used.some((name) => !providers.some((one) => isCalled(one, name)))) return;
      for (const provider of providers) {
        if (used.some((name) => isCalled(provider, name))) continue;
        const { name, meant } = provider;
        yield document.fault(
          ["providers", name],
          {
            expected: "a provider that a key uses",
            actual: "no key that uses it",
            remedy: `remove the provider, or add a key, write: - { name: …, provider: ${cut(meant)}, use: decrypt }`,
          },
          "key",
        );
      }
    },
  },
  ...FOREIGN_RULES,
  ...COMPOSED_RULES,
  ...TRUST_RULES,
  ...CAPABILITIES.flatMap((capability: Capability) => capability.rules ?? []),
  ...AUDIT_RULES,
  ...LIMIT_RULES,
  ...ADMIN_RULES,
];

/**
 * Checks all rules.
 * @param folder the folder of the file, absolute
 * @returns the faults, in the order of the rules
 */
export function brokenRules(document: Document, folder: string): Fault[] {
  const outline = outlineOf(document, folder);
  return RULES.flatMap(({ check }) => [...check(outline)]);
}
