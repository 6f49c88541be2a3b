/**
 * Finds the secrets that were sent lately in what came back: a server that echoes a token must not hand it to a guest. Verbatim, and
 * as JSON writes them; what a server encodes otherwise is not found.
 */

import { Secret } from "../../../lib/secret.ts";
import type { Clock } from "./clock.ts";

/** How long a secret is looked for after another one took its place: longer than any request is under way. */
const LATELY_MS = 5 * 60_000;
/** Of what was replaced. One login in ten seconds, at most, leaves no more than this behind. */
const MOST_OLD = 64;
/** A shorter one is in any text by chance, and could not be kept from who can guess it. */
const SHORTEST = 8;

interface Sought {
  readonly secret: Secret;
  readonly forms: readonly Secret[];
}

export class Leaks {
  readonly #clock: Clock;
  readonly #current = new Map<string, Sought>();
  #old: { readonly sought: Sought; readonly until: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param place where it is used; what was there before is old from now on */
  sent(place: string, secret: Secret): void {
    const before = this.#current.get(place);
    if (before?.secret.equals(secret)) return;
    this.#current.set(place, { secret, forms: secret.length < SHORTEST ? [] : formsOf(secret) });
    const now = this.#clock.now();
    if (before !== undefined) this.#old.push({ sought: before, until: now + LATELY_MS });
    const kept = this.#old.filter(({ until }) => until > now).slice(-MOST_OLD);
    for (const { sought } of this.#old.filter((old) => !kept.includes(old))) {
      for (const form of sought.forms) form.wipe();
    }
    this.#old = kept;
  }

  in(bytes: Uint8Array): boolean {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const now = this.#clock.now();
    for (const sought of this.#current.values()) if (isIn(view, sought)) return true;
    for (const { sought, until } of this.#old) if (until > now && isIn(view, sought)) return true;
    return false;
  }
}

function isIn(view: Buffer, { forms }: Sought): boolean {
  return forms.some((form) => form.use((bytes) => view.includes(bytes)));
}

/** Copies: they are wiped when they are no longer looked for, and who still has the secret is not concerned. */
function formsOf(secret: Secret): Secret[] {
  const text = secret.text();
  const json = JSON.stringify(text).slice(1, -1);
  // Go's encoding/json, which Vault answers with, escapes these too.
  const go = json.replace(/[<>&]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`);
  return [...new Set([text, json, go])].map((form) => Secret.of(form));
}
