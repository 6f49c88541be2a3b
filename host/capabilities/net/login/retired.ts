/** Tokens that the host got by logging in and no longer needs. They are given back, best effort, so that none piles up at the server. */
import { type Ask, ask, requestOf } from "./ask.ts";
import type { Token } from "./token.ts";
import type { Call } from "./token-recipe.ts";

/** Until then a request may be under way with it. */
const AFTER_MS = 10_000;
const LIMIT_MS = 5000;
/** All that the end of the host may take. */
const CLOSE_MS = 1000;

export class Retired {
  readonly #revoke: Call | undefined;
  readonly #ask: Ask;
  readonly #waiting = new Map<Token, () => void>();

  constructor(revoke: Call | undefined, asks: Ask) {
    this.#revoke = revoke;
    this.#ask = asks;
  }

  add(token: Token): void {
    if (this.#revoke === undefined) return;
    const cancel = this.#ask.clock.after(AFTER_MS, () => {
      this.#waiting.delete(token);
      void this.#giveBack(token, LIMIT_MS);
    });
    this.#waiting.set(token, cancel);
  }

  /** @param last the token that was in use, when no other one can come any more */
  async close(last: () => Promise<Token | undefined>): Promise<void> {
    const { clock } = this.#ask;
    const ends = clock.now() + CLOSE_MS;
    const over = Promise.withResolvers<void>();
    const cancel = clock.after(CLOSE_MS, over.resolve);
    const all = async () => {
      const token = await last();
      const tokens = [...this.#waiting.keys(), ...(token === undefined ? [] : [token])];
      for (const stop of this.#waiting.values()) stop();
      this.#waiting.clear();
      const leftMs = Math.max(1, ends - clock.now());
      await Promise.all(tokens.map((each) => this.#giveBack(each, leftMs)));
    };
    await Promise.race([all(), over.promise]);
    cancel();
  }

  async #giveBack(token: Token, limitMs: number): Promise<void> {
    if (this.#revoke === undefined || !token.usable(this.#ask.clock.now())) return;
    const request = token.lease.sign(requestOf(this.#revoke, {}));
    // What fails here ends by itself, at the end of the token's life.
    await ask(this.#ask, "the revocation", request, limitMs).catch(() => {});
  }
}
