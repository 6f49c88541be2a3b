/** A credential that somebody else keeps in a file: what is in it now is the token. */
import { type Credential, type Lease, Unreachable } from "../exchange.ts";
import { type Ask, type Tell, waitFor } from "./ask.ts";
import { Keeper } from "./keeper.ts";
import { Leaks } from "./leaks.ts";
import { markOf, readSecret } from "./secret-file.ts";
import { tokenFault } from "./text.ts";
import { Token } from "./token.ts";
import type { TokenFileRecipe } from "./token-recipe.ts";

/** A change is seen after so long, at the latest. */
const LOOK_MS = 1000;

export class TokenFile implements Credential {
  readonly #recipe: TokenFileRecipe;
  readonly #ask: Ask;
  readonly #tell: Tell;
  readonly #leaks: Leaks;
  readonly #keeper: Keeper | undefined;
  #token: Token | undefined;
  #fault: Unreachable | undefined;
  #mark: string | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #look: Promise<void> | undefined;
  #closed = false;

  constructor(recipe: TokenFileRecipe, asks: Ask, tell: Tell) {
    this.#recipe = recipe;
    this.#ask = asks;
    this.#tell = tell;
    this.#leaks = new Leaks(asks.clock);
    this.#keeper = recipe.keep === undefined ? undefined : new Keeper(recipe.keep, asks, tell);
  }

  async lease(signal: AbortSignal): Promise<Lease> {
    if (this.#closed) throw new Unreachable("the host is stopping");
    const now = this.#ask.clock.now();
    const due = now - this.#lookedAt >= LOOK_MS || this.#token?.usable(now) === false;
    if (due) await waitFor(this.#lookOnce(), signal);
    // One more each time: an error that many share is not theirs to change.
    if (this.#token === undefined) throw new Unreachable(this.#fault?.message ?? "the host is stopping");
    if (this.#token.usable(this.#ask.clock.now())) return this.#token.lease;
    throw new Unreachable(`the token in ${this.#recipe.file} has expired: put another one there`);
  }

  async refused(lease: Lease, _signal: AbortSignal): Promise<boolean> {
    if (this.#closed) return false;
    if (this.#token !== undefined && this.#token.lease !== lease) return true;
    // Whatever its status says: a file can be written twice in one tick of the file system's clock.
    this.#read();
    return this.#token !== undefined && this.#token.lease !== lease;
  }

  leaks(bytes: Uint8Array): boolean {
    return this.#leaks.in(bytes);
  }

  /** The token is not the host's: it is not revoked. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#keeper?.close();
  }

  #lookOnce(): Promise<void> {
    this.#look ??= this.#lookNow().finally(() => {
      this.#look = undefined;
    });
    return this.#look;
  }

  async #lookNow(): Promise<void> {
    const mark = await markOf(this.#recipe);
    this.#lookedAt = this.#ask.clock.now();
    if (mark === this.#mark || this.#closed) return;
    this.#read();
    // The status of before the reading: what came between is seen the next time. What could not be read is tried again.
    this.#mark = this.#fault === undefined ? mark : undefined;
  }

  #read(): void {
    const { file, header } = this.#recipe;
    try {
      const secret = readSecret({ file }, tokenFault);
      this.#fault = undefined;
      if (this.#token?.secret.equals(secret)) return;
      this.#leaks.sent("token", secret);
      this.#token = new Token(secret, header, this.#ask.clock.now());
      this.#tell({ event: "read" });
      this.#keeper?.keep(this.#token);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.#token = undefined;
      this.#keeper?.drop();
      if (this.#fault?.message !== error.message) this.#tell({ event: "failed", why: error.message });
      this.#fault = error;
    }
  }
}
