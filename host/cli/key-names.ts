/** The names of keys in the commands of a key's life: which key is meant, and the name of the next one. */
import type { Config, KeyConfig } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import type { KeyFile } from "../keys/key-file.ts";
import { mayHaveBeenActive } from "../keys/past.ts";
import { successorOf } from "../keys/successor.ts";
import { homeOf, materialOf } from "./key-create.ts";
import { UsageError } from "./usage-error.ts";

/** @throws UsageError */
export function keyNamed({ keys, file }: Config, name: string | undefined): KeyConfig {
  const key = keys.find((each) => (name === undefined ? each.use === "active" : each.name === name));
  if (key !== undefined) return key;
  const names = keys.map((each) => each.name).join(", ");
  throw new UsageError(`Cannot find key "${name}" in ${file}; its keys are: ${names}`);
}

/** The name of the next key: the one that is staged already, or a new one. */
export function proposedName({ config, past }: KeyFile, old: KeyConfig): string {
  // The name that was staged before: the command is repeated.
  const waiting = waitingKeys(config, past)[0];
  if (waiting !== undefined) return waiting;
  const home = homeOf(config, old);
  const isTaken = (name: string) =>
    config.keys.some((key) => key.name === name) ||
    (past.keys.get(name)?.createdAt === undefined
      ? past.keys.has(name) || materialOf(config, home, name) !== undefined
      : !isUnfinished(past, name));
  return successorOf(old.name, isTaken, new Date().getUTCFullYear());
}

/** True for a key that a command began to create and did not stage. */
export function isUnfinished(past: KeyFile["past"], name: string): boolean {
  const key = past.keys.get(name);
  return key?.createdAt !== undefined && (key.stagedAt ?? key.activeFrom) === undefined;
}

/**
 * A foreign key never encrypts.
 * @throws KleidiError key-change-refused
 */
export function assertNotForeign(step: "promote" | "rotate", { name, foreign }: KeyConfig): void {
  if (foreign === undefined) return;
  throw new KleidiError(
    "key-change-refused/foreign",
    `Cannot ${step} key "${name}": it decrypts objects of ${foreign}, and never encrypts`,
  );
}

/** The keys that were staged and never promoted. */
export function waitingKeys({ keys }: Config, past: KeyFile["past"]): string[] {
  return keys
    .filter(
      ({ name, use, foreign }) =>
        use === "decrypt" && foreign === undefined && past.keys.has(name) && !mayHaveBeenActive(past, name),
    )
    .map(({ name }) => name);
}

export function isStaged({ config, past }: KeyFile, name: string): boolean {
  return waitingKeys(config, past).includes(name);
}

/** @throws UsageError */
export function assertNewName({ config, past }: KeyFile, name: string): void {
  if (config.keys.some((key) => key.name === name))
    throw new UsageError(
      `Cannot stage key "${name}": ${config.file} has it already; give another name with --as`,
    );
  if (past.keys.has(name) && !isUnfinished(past, name))
    throw new UsageError(
      `Cannot stage key "${name}": the name was used before, and a key_id is derived from it; give another name with --as`,
    );
}
