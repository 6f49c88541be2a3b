/**
 * Creates the key of a rotation, or checks one that its KMS has, by another kleidi with a copy of the new configuration. Another process,
 * because as root it takes the rights of the folder's owner for good, and the configuration belongs to root.
 */
import { spawnSync } from "node:child_process";
import { extname, join } from "node:path";
import { namesOf } from "../capabilities/keystore/grant.ts";
import type { Config, KeyConfig } from "../config/config.ts";
import { causesOfCode, ERRORS, type ErrorCode, KleidiError } from "../error.ts";
import { statOf } from "../lib/write-files.ts";

export interface CreateOptions {
  readonly scheme?: string;
  readonly import?: string;
  readonly escrow?: string;
}

export interface Created {
  /** Undefined if only the provider knows it. */
  readonly version?: string;
  readonly how: "created" | "found";
  readonly warnings: readonly string[];
}

/** Creating a key in hardware takes seconds; starting all providers, too. */
const TIMEOUT_MS = 180_000;

/** The place of a key's material: a file of the keystore, a record of its provider, or the KMS alone. */
export type Home = "keystore" | "state" | "kms";

export function homeOf({ providers }: Config, { name, provider }: KeyConfig): Home {
  const grants = providers.find((each) => each.name === provider)?.grants;
  if (grants?.keystore !== undefined && namesOf(grants.keystore).includes(name)) return "keystore";
  return grants?.state?.names.includes(name) === true ? "state" : "kms";
}

/** The file with a key's material; undefined if it has none on this machine. */
export function materialOf({ keystore, state }: Config, home: Home, name: string): string | undefined {
  const file = {
    keystore: keystore && join(keystore.directory, `${name}.key`),
    state: state && join(state.directory, `${name}.state`),
    kms: undefined,
  }[home];
  return file !== undefined && statOf(file) !== undefined ? file : undefined;
}

/**
 * @param home of the new key
 * @param copy the path of a configuration with the new key
 * @throws KleidiError the key cannot be created, or its KMS does not have it
 */
export function createKey(home: Home, name: string, copy: string, options: CreateOptions): Created {
  if (home === "kms") return { how: "found", warnings: [], ...checkRemote(name, copy) };
  const words = (["scheme", "import", "escrow"] as const).flatMap((option) => {
    const value = options[option];
    return value === undefined ? [] : [`--${option}`, value];
  });
  const made = run(["key", "init", name, ...words], copy);
  // An interrupted command created it, or its files were copied from another node.
  const isThere = made.code === "key-exists" && words.length === 0;
  if (made.ok !== true && !isThere) throw new ChildFailure(made);
  if (isThere) return { how: "found", warnings: [], ...listed(name, copy) };
  const version = home === "keystore" ? made.fingerprint : made.version;
  return {
    how: "created",
    version: String(version),
    warnings: (made.warnings as string[] | undefined) ?? [],
  };
}

function listed(name: string, copy: string): { version?: string } {
  const { keys } = run(["key", "list"], copy) as {
    keys?: { name: string; ok: boolean; detail: string; version?: string }[];
  };
  const key = keys?.find((each) => each.name === name);
  if (key?.ok !== true)
    throw new KleidiError("key-not-ready/found", `Cannot stage key "${name}": ${key?.detail}`);
  return key.version === undefined ? {} : { version: key.version };
}

interface Finding {
  readonly subject: string;
  readonly ok: boolean;
  readonly detail: string;
}

function checkRemote(name: string, copy: string): Record<string, never> {
  const { findings = [], ...answer } = run(["check", "--live"], copy) as Answer & { findings?: Finding[] };
  const found = findings.find(({ subject }) => subject === `live ${name}`);
  if (found?.ok === true) return {};
  // Without the finding, another fault kept the providers from being started.
  const { detail } = found ?? findings.find(({ ok }) => !ok) ?? { detail: answer.message };
  throw new KleidiError(
    "key-not-ready/remote",
    `Cannot stage key "${name}" that its KMS should have: ${detail}`,
  );
}

type Answer = Readonly<Record<string, unknown>>;

function run(words: readonly string[], config: string): Answer {
  const main = join(import.meta.dirname, "..", `main${extname(import.meta.filename)}`);
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [...process.execArgv, main, ...words, "--json", "--config", config],
    { encoding: "utf8", timeout: TIMEOUT_MS },
  );
  try {
    return JSON.parse(stdout);
  } catch {
    throw new KleidiError("host-fault", `Cannot run kleidi ${words.join(" ")}: it gave no answer`, stderr);
  }
}

/** The failure of the other process. Its remedy is the one of the fault there, which its answer does not name. */
class ChildFailure extends KleidiError {
  readonly #hint: string;

  constructor({ code, message, hint }: Answer) {
    const known = typeof code === "string" && code in ERRORS ? (code as ErrorCode) : "host-fault";
    super([...causesOfCode(known).keys()][0] ?? "host-fault", String(message));
    this.#hint = String(hint);
  }

  override get hint(): string {
    return this.#hint;
  }
}
