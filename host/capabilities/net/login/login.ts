/**
 * A credential that the host logs in for. One login at a time, whoever waits for it; in the pause after a failed one, calls fail at
 * once. At two thirds of its life a token is renewed, or another one is had; one that has expired is never used.
 */
import { type Credential, type Lease, Unreachable } from "../exchange.ts";
import { type Ask, type Tell, waitFor } from "./ask.ts";
import { Backoff } from "./backoff.ts";
import { Leaks } from "./leaks.ts";
import { Retired } from "./retired.ts";
import { Steps } from "./steps.ts";
import type { Token } from "./token.ts";
import type { LoginRecipe } from "./token-recipe.ts";

/** A token that is refused when it is younger is refused for what was asked, not for what it is. */
const FRESH_MS = 10_000;

export class Login implements Credential {
  readonly #ask: Ask;
  readonly #tell: Tell;
  readonly #leaks: Leaks;
  readonly #steps: Steps;
  readonly #backoff: Backoff;
  readonly #retired: Retired;
  #token: Token | undefined;
  #flight: Promise<Token> | undefined;
  #cancelRefresh = () => {};
  #closed = false;

  constructor(recipe: LoginRecipe, asks: Ask, tell: Tell) {
    this.#ask = asks;
    this.#tell = tell;
    this.#leaks = new Leaks(asks.clock);
    this.#steps = new Steps(recipe, asks, this.#leaks);
    this.#backoff = new Backoff(asks.clock);
    this.#retired = new Retired(recipe.revoke, asks);
  }

  async lease(signal: AbortSignal): Promise<Lease> {
    if (!this.#closed && this.#token?.usable(this.#ask.clock.now())) return this.#token.lease;
    return (await waitFor(this.#login(), signal)).lease;
  }

  async refused(lease: Lease, signal: AbortSignal): Promise<boolean> {
    const token = this.#token;
    if (token === undefined || this.#closed) return false;
    // Somebody has logged in meanwhile.
    if (token.lease !== lease) return true;
    if (this.#ask.clock.now() - token.issued < FRESH_MS) return false;
    if (this.#flight === undefined && this.#backoff.leftMs === 0) this.#told("refused", token);
    return waitFor(this.#login(), signal).then(
      () => true,
      () => false,
    );
  }

  leaks(bytes: Uint8Array): boolean {
    return this.#leaks.in(bytes);
  }

  /** Waits for a login that is under way, or its token would outlive the host. Within a second, all in all. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelRefresh();
    await this.#retired.close(async () => {
      await this.#flight?.catch(() => {});
      return this.#token;
    });
  }

  #login(): Promise<Token> {
    if (this.#closed) return Promise.reject(new Unreachable("the host is stopping"));
    if (this.#flight !== undefined) return this.#flight;
    const paused = this.#backoff.refusal();
    if (paused !== undefined) return Promise.reject(paused);
    const flight = this.#attempt().finally(() => {
      this.#flight = undefined;
    });
    // Everybody who waited may have gone.
    flight.catch(() => {});
    this.#flight = flight;
    return flight;
  }

  async #attempt(): Promise<Token> {
    try {
      const token = await this.#steps.login();
      this.#backoff.succeeded();
      this.#take(token);
      this.#told("login", token);
      return token;
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.#backoff.failed(error);
      this.#tell({ event: "failed", why: error.message });
      throw error;
    }
  }

  #take(token: Token): void {
    const before = this.#token;
    this.#token = token;
    // Some servers give the same token twice.
    if (before !== undefined && !before.secret.equals(token.secret)) this.#retired.add(before);
    this.#refreshIn(token);
  }

  /** At two thirds of the time, or a little before: hosts that were started together must not come back together. */
  #refreshIn(token: Token): void {
    this.#cancelRefresh();
    if (this.#closed || token.ttlMs === Number.POSITIVE_INFINITY) return;
    const { clock } = this.#ask;
    const afterMs = (token.ttlMs * 2 * (0.9 + 0.1 * clock.random())) / 3;
    this.#cancelRefresh = clock.after(afterMs, () => void this.#refresh(token));
  }

  async #refresh(token: Token): Promise<void> {
    const renewed = await this.#steps.renew(token);
    if (this.#closed || this.#token !== token) return;
    if (renewed) {
      this.#backoff.succeeded();
      this.#told("renewed", token);
      // Less and less would say that it comes near the longest life that the server allows it.
      if (token.ttlMs >= (token.firstTtlMs ?? 0) / 2) return this.#refreshIn(token);
    }
    await this.#login().catch(() => {
      const { clock } = this.#ask;
      if (this.#closed || this.#token !== token || !token.usable(clock.now())) return;
      // While it is good there is time; after that, the next call logs in.
      this.#cancelRefresh();
      this.#cancelRefresh = clock.after(this.#backoff.leftMs + 1, () => void this.#refresh(token));
    });
  }

  #told(event: "login" | "renewed" | "refused", token: Token): void {
    const { clock } = this.#ask;
    this.#tell({ event, expires: token.expiresAt(clock.now(), clock.date()) });
  }
}
