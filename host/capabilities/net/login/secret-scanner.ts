/**
 * Finds recently used secrets in answers, so that a server that echoes a token does not hand it to a guest. Finds them verbatim and as
 * JSON writes them; other encodings are not found.
 */

import { Secret } from "../../../lib/secret.ts";
import type { Clock } from "./clock.ts";

/** The time for which a replaced secret is searched for: longer than any request takes. */
const LATELY_MS = 5 * 60_000;
/** The number of replaced secrets that are kept: more than one login in ten seconds leaves behind. */
const MOST_OLD = 64;
/** Shorter secrets are not searched for: they occur in any text by chance, and can be guessed. */
const SHORTEST = 8;

interface WatchedSecret {
  readonly secret: Secret;
  readonly forms: readonly Secret[];
}

export class SecretScanner {
  readonly #clock: Clock;
  readonly #current = new Map<string, WatchedSecret>();
  #old: { readonly watched: WatchedSecret; readonly until: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Searches for a secret from now on. @param place the place of its use; the secret there before counts as replaced */
  add(place: string, secret: Secret): void {
    const before = this.#current.get(place);
    if (before?.secret.equals(secret)) return;
    this.#current.set(place, { secret, forms: secret.length < SHORTEST ? [] : formsOf(secret) });
    const now = this.#clock.now();
    if (before !== undefined) this.#old.push({ watched: before, until: now + LATELY_MS });
    const kept = this.#old.filter(({ until }) => until > now).slice(-MOST_OLD);
    for (const { watched } of this.#old.filter((old) => !kept.includes(old))) {
      for (const form of watched.forms) form.wipe();
    }
    this.#old = kept;
  }

  /** True if one of the secrets is in the bytes. */
  foundIn(bytes: Uint8Array): boolean {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const now = this.#clock.now();
    for (const watched of this.#current.values()) if (includesSecret(view, watched)) return true;
    for (const { watched, until } of this.#old) if (until > now && includesSecret(view, watched)) return true;
    return false;
  }
}

function includesSecret(view: Buffer, { forms }: WatchedSecret): boolean {
  return forms.some((form) => form.use((bytes) => view.includes(bytes)));
}

/** Copies, which are wiped when the search ends, without affecting other holders of the secret. */
function formsOf(secret: Secret): Secret[] {
  const text = secret.text();
  const json = JSON.stringify(text).slice(1, -1);
  // Go's encoding/json, which Vault answers with, escapes these too.
  const go = json.replace(/[<>&]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`);
  return [...new Set([text, json, go])].map((form) => Secret.of(form));
}
