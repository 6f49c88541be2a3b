/** Decides whether a set that was started in the shadow may take the place of the one that serves. */
import { isDeepStrictEqual } from "node:util";
import type { Config } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import type { KeyState } from "../kms/keyset.ts";
import type { ServingSet } from "./serving-set.ts";

/** The sections that a host works through at its start only. */
const AT_START = ["listen", "admin", "audit", "log", "reload", "sandbox"] as const;

/** @throws KleidiError reload-refused: a section differs that takes effect at a start only, or a key has another provider */
export function assertReloadable(next: Config, now: Config): void {
  assertSameProviders(next, now);
  const changed = AT_START.filter((section) => !isDeepStrictEqual(next[section], now[section]));
  if (changed.length === 0) return;
  throw new KleidiError(
    "reload-refused/at-start",
    `Cannot reload ${next.file}: ${changed.map((name) => `"${name}"`).join(" and ")} changed, which takes effect at a start only`,
  );
}

/** What a key encrypted names its provider: under another one it could not be decrypted, and would have the same key_id. */
function assertSameProviders(next: Config, now: Config): void {
  for (const { name, provider } of now.keys) {
    const moved = next.keys.find((key) => key.name === name && key.provider !== provider);
    if (moved === undefined) continue;
    const [there, here] = [moved.provider, provider].map((each) =>
      each === undefined ? "members" : `provider "${each}"`,
    );
    throw new KleidiError(
      "reload-refused/provider",
      `Cannot reload ${next.file}: key "${name}" has ${there} there and ${here} in the running host; what it encrypted is bound to the name of its provider`,
    );
  }
}

/**
 * The active key has to encrypt, and whatever works in the running set has to work in the next. A key or a module that fails in both does
 * not stand in the way: the change may repair another one.
 * @throws KleidiError reload-refused
 */
export function assertServes(next: ServingSet, now: ServingSet): void {
  for (const { name, failure } of next.providers.refused)
    if (!now.providers.refused.some((each) => each.name === name)) throw refused(next, failure);
  const before = new Map(now.keyset.states().map((state) => [state.key.name, state]));
  for (const state of next.keyset.states()) {
    const former = before.get(state.key.name);
    const mayFail = state.key.use !== "active" && former !== undefined && !isGood(former);
    if (!mayFail && !isGood(state)) throw refused(next, state.failure);
  }
}

function isGood({ current, failure }: KeyState): boolean {
  return current !== undefined && failure === undefined;
}

function refused({ config }: ServingSet, failure: KleidiError | undefined): KleidiError {
  return reloadRefused(
    config.file,
    failure ?? new KleidiError("key-not-ready/starting", "a key has not answered"),
  );
}

/** @returns the error of a reload that failed for this reason, with its remedy */
export function reloadRefused(file: string, { message, fault, cause }: KleidiError): KleidiError {
  return new KleidiError("reload-refused/broken", `Cannot reload ${file}: ${message}`, cause, fault);
}
