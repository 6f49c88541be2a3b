/** The commands in the life of a key: rows of the table in host/main.ts. */

import type { Command, Option } from "./command.ts";
import { CONFIG, JSON_OBJECT } from "./common-options.ts";
import type { LifeOptions } from "./key-life.ts";
import type { RetireOptions } from "./key-retire.ts";
import type { RotateOptions } from "./key-rotate.ts";

const DRY_RUN: Option = {
  flags: "--dry-run",
  about: "print the change of the configuration and what speaks against it; change nothing",
  default: false,
};
const FORCE: Option = {
  flags: "--force",
  about: "do it although something speaks against it; the history records what",
  default: false,
};

type Config = { config: string };

export const KEY_COMMANDS: readonly Command[] = [
  {
    name: "key list",
    summary:
      "List the keys: use, file or record, fingerprint, state in the running host, hash of the key_id, when each was active, and the next step.",
    options: [CONFIG, JSON_OBJECT],
    examples: [
      { does: "Compare the fingerprints on two nodes", line: "kleidi key list" },
      {
        does: "List the keys of another configuration as JSON",
        line: "kleidi key list --config .kleidi/kleidi.yaml --json",
      },
    ],
    run: async ({ config, json }: Config & { json: boolean }) =>
      (await import("./key-list.ts")).keyListCommand(config, { json }),
  },
  {
    name: "key rotate",
    arguments: "[name]",
    summary:
      "Stage the successor of a key (by default of the active one): create it, and add it to the configuration, decrypt-only.",
    options: [
      { flags: "--as <name>", about: "the name of the new key, instead of the proposed one" },
      { flags: "--scheme <text>", about: "as for key init" },
      { flags: "--import <file>", about: "as for key init: the bytes of a key that another node created" },
      { flags: "--escrow <file>", about: "as for key init: write the bytes to this new file first" },
      DRY_RUN,
      FORCE,
      CONFIG,
      JSON_OBJECT,
    ],
    examples: [
      { does: "Show the change before you make it", line: "kleidi key rotate --dry-run" },
      { does: "Stage a key with this name", line: "kleidi key rotate kek-2026 --as kek-2027" },
      {
        does: "Stage a key in the TPM, whose bytes the other nodes import",
        line: "kleidi key rotate kek-2026 --as kek-2027 --escrow /run/kek-2027.hex",
      },
    ],
    run: async ({ config, ...options }: Config & RotateOptions, name?: string) =>
      (await import("./key-rotate.ts")).keyRotateCommand(config, name, options),
  },
  {
    name: "key promote",
    arguments: "<name>",
    summary:
      "Make a staged key active; the former active key decrypts. Refuses while the running host is not ready with it, and for a key that was active before.",
    options: [DRY_RUN, FORCE, CONFIG, JSON_OBJECT],
    examples: [
      { does: "Show the change and what speaks against it", line: "kleidi key promote kek-2027 --dry-run" },
      { does: "Promote the key", line: "kleidi key promote kek-2027" },
    ],
    run: async ({ config, ...options }: Config & LifeOptions, name: string) =>
      (await import("./key-promote.ts")).keyPromoteCommand(config, name, options),
  },
  {
    name: "key retire",
    arguments: "<name>",
    summary:
      "Remove a key from the configuration, after a proof that no object needs it. Its files stay, unless --remove-files.",
    options: [
      {
        flags: "--encryption-config <file>",
        about: "the API server's EncryptionConfiguration: count the objects that it names",
      },
      {
        flags: "--kubeconfig <file>",
        about:
          "the kubeconfig of an API server; without --encryption-config, ask the operator's KeyRotations",
        repeated: true,
      },
      { flags: "--remove-files", about: "also remove the key's file or record", default: false },
      DRY_RUN,
      FORCE,
      CONFIG,
      JSON_OBJECT,
    ],
    examples: [
      {
        does: "Count the objects, then retire the key",
        line: "kleidi key retire kek-2026 --encryption-config /etc/kubernetes/enc/encryption.yaml --kubeconfig /etc/kubernetes/admin.conf",
      },
      {
        does: "Retire it on the proof of the operator",
        line: "kleidi key retire kek-2026 --kubeconfig /etc/kubernetes/admin.conf",
      },
    ],
    run: async ({ config, ...options }: Config & RetireOptions, name: string) =>
      (await import("./key-retire.ts")).keyRetireCommand(config, name, options),
  },
  {
    name: "key recover",
    summary:
      "Continue after the history of the keys was lost, cut, damaged or restored from an older backup (docs/recovery.md).",
    options: [CONFIG, JSON_OBJECT],
    examples: [{ does: "Begin again from the configuration", line: "kleidi key recover" }],
    run: async ({ config, json }: Config & { json: boolean }) =>
      (await import("./key-recover.ts")).keyRecoverCommand(config, { json }),
  },
];
