/**
 * Keeps a token alive that somebody else made: looks up how long it lives, and renews it where it may be. All in the background. Where
 * the host may not renew it, it looks again: Vault Agent, which may, does so without touching the file.
 */
import type { Response } from "../exchange.ts";
import { documentOf, lifeIn, nameOf } from "./answer.ts";
import { type Ask, ask, requestOf, type Tell } from "./ask.ts";
import { Backoff } from "./backoff.ts";
import type { Token } from "./token.ts";
import type { Call, Lifetime, TokenFileRecipe } from "./token-recipe.ts";

const LIMIT_MS = 5000;
/** A life that is shorter than this is not worth a request. */
const SHORTEST_MS = 1000;
/** Of these, asking again gives no other. Others are of the moment: sealed, overloaded, a standby. */
const NEVER: ReadonlySet<number> = new Set([400, 401, 403, 404, 405]);

export class Keeper {
  readonly #recipe: NonNullable<TokenFileRecipe["keep"]>;
  readonly #ask: Ask;
  readonly #tell: Tell;
  readonly #backoff: Backoff;
  #token: Token | undefined;
  #mayRenew = true;
  #cancel = () => {};

  constructor(recipe: NonNullable<TokenFileRecipe["keep"]>, asks: Ask, tell: Tell) {
    this.#recipe = recipe;
    this.#ask = asks;
    this.#tell = tell;
    this.#backoff = new Backoff(asks.clock);
  }

  /** This one from now on. */
  keep(token: Token): void {
    this.drop();
    this.#token = token;
    this.#mayRenew = true;
    void this.#lookUp(token);
  }

  drop(): void {
    this.#token = undefined;
    this.#cancel();
    this.#backoff.succeeded();
  }

  close(): void {
    this.drop();
  }

  async #lookUp(token: Token): Promise<void> {
    const { lookup, lookedUp } = this.#recipe;
    const outcome = await this.#learn(token, "look-up", lookup, undefined, lookedUp);
    if (this.#token !== token) return;
    if (outcome === "later") this.#after(this.#backoff.leftMs + 1, () => this.#lookUp(token));
    // A look-up that is not allowed says nothing of the token.
    if (outcome !== "done") return;
    this.#told("read", token);
    this.#renewLater(token);
  }

  #renewLater(token: Token): void {
    if (!token.renewable || token.ttlMs < SHORTEST_MS || token.ttlMs === Number.POSITIVE_INFINITY) return;
    const part = (2 * (0.9 + 0.1 * this.#ask.clock.random())) / 3;
    this.#after(token.ttlMs * part, () => (this.#mayRenew ? this.#renew(token) : this.#lookUp(token)));
  }

  async #renew(token: Token): Promise<void> {
    const { renew, renewed } = this.#recipe;
    const outcome = await this.#learn(token, "renewal", renew, {}, renewed);
    if (this.#token !== token) return;
    if (outcome === "done") {
      this.#told("renewed", token);
      this.#renewLater(token);
    } else if (outcome === "never") {
      this.#mayRenew = false;
      await this.#lookUp(token);
    } else if (outcome === "later" && token.usable(this.#ask.clock.now())) {
      this.#after(this.#backoff.leftMs + 1, () => this.#renew(token));
    }
  }

  /** Asks, and notes down how long the token lives. "later": the server could not say it now. */
  async #learn(
    token: Token,
    kind: "look-up" | "renewal",
    call: Call,
    fields: Readonly<Record<string, unknown>> | undefined,
    lifetime: Lifetime,
  ): Promise<"done" | "never" | "later"> {
    const what = nameOf(kind, call);
    const asked = this.#ask.clock.now();
    let answer: Response | undefined;
    try {
      answer = await ask(this.#ask, what, token.lease.sign(requestOf(call, fields)), LIMIT_MS);
      const document = documentOf(what, answer, "the token is not good, or its policies do not allow this");
      const { ttlMs, renewable } = lifeIn(what, document, lifetime);
      if (this.#token === token) token.lives(asked, ttlMs, renewable);
      this.#backoff.succeeded();
      return "done";
    } catch (error) {
      if (this.#token !== token) return "never";
      const why = (error as Error).message;
      this.#backoff.failed({ name: "Unreachable", message: why });
      const refused = answer !== undefined && NEVER.has(answer.status);
      // That the look-up is not allowed is usual.
      if (!(refused && kind === "look-up")) this.#tell({ event: "failed", why });
      return refused ? "never" : "later";
    }
  }

  #after(ms: number, run: () => Promise<void>): void {
    this.#cancel();
    this.#cancel = this.#ask.clock.after(ms, () => void run());
  }

  #told(event: "read" | "renewed", token: Token): void {
    const { clock } = this.#ask;
    this.#tell({ event, expires: token.expiresAt(clock.now(), clock.date()) });
  }
}
