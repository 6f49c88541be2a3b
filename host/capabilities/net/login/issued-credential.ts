/**
 * A credential from a source that issues keys or tokens with a life. All callers share one request for the next ones; during the pause after a
 * failed one, calls fail at once. At two thirds of their life they are replaced; expired ones are never used.
 */
import { inspect } from "node:util";
import type { Secret } from "../../../lib/secret.ts";
import { type Lease, type Request, type Response, Unreachable } from "../exchange.ts";
import { FailurePause } from "./failure-pause.ts";
import type { LimitedCredential } from "./limited-credential.ts";
import type { SigningOptions } from "./method.ts";
import { SecretScanner } from "./secret-scanner.ts";
import { waitFor } from "./timed-request.ts";

/** What does not expire comes from a file, which another program may replace. */
const REREAD_MS = 60_000;
/** A metadata service gives the same until shortly before its end. */
const SOONEST_MS = 5000;
/** A refusal of something younger concerns the request and not the credential. */
const FRESH_MS = 10_000;
/** Keys and tokens with a shorter life are not used: a request and its second try must end before them. */
export const SHORTEST_MS = 10_000;

/** Keys or a token. */
export interface Issued {
  /** From its request on, in milliseconds; Infinity if it does not expire. */
  readonly lifeMs: number;
}

/** The difference between one way of logging in and another. */
export interface Issuer<T extends Issued> {
  /** Issues, each time anew. @throws Unreachable */
  source(): Promise<T>;
  lease(issued: T): Lease;
  isSame(one: T, other: T): boolean;
  /** The secrets that requests carry or are signed with, by name: no answer that has one reaches a guest. */
  secrets(issued: T): Readonly<Record<string, Secret | undefined>>;
  isRefusal(response: Response): boolean;
  /** Ends a refusal without another issue. @returns if a second try can succeed; undefined if the refusal is another one */
  amend?(response: Response): boolean | undefined;
  close(): Promise<void>;
}

interface Held<T> {
  readonly issued: T;
  readonly lease: Lease;
  /** On the monotonic clock. */
  readonly since: number;
  readonly until: number;
}

/** Signs a request to the origin. */
export class IssuedLease implements Lease {
  readonly #sign: (request: Request) => Request;
  /** Asks for the name of the identity; undefined if no server is configured that knows it. */
  readonly identity: (() => Promise<string>) | undefined;

  constructor(sign: (request: Request) => Request, identity?: () => Promise<string>) {
    this.#sign = sign;
    this.identity = identity;
  }

  sign(request: Request): Request {
    return this.#sign(request);
  }

  [inspect.custom](): string {
    return "[lease]";
  }
}

export class IssuedCredential<T extends Issued> implements LimitedCredential {
  readonly #issuer: Issuer<T>;
  readonly #options: SigningOptions;
  readonly #scanner: SecretScanner;
  readonly #pause: FailurePause;
  #held: Held<T> | undefined;
  #pending: Promise<Held<T>> | undefined;
  #cancelRefresh = () => {};
  #closed = false;

  constructor(issuer: Issuer<T>, options: SigningOptions) {
    this.#issuer = issuer;
    this.#options = options;
    this.#scanner = new SecretScanner(options.clock);
    this.#pause = new FailurePause(options.clock);
  }

  async lease(signal: AbortSignal): Promise<Lease> {
    const held = this.#held;
    if (!this.#closed && held !== undefined && this.#isUsable(held)) return held.lease;
    return (await waitFor(this.#refresh(), signal)).lease;
  }

  isRefusal(response: Response): boolean {
    return this.#issuer.isRefusal(response);
  }

  async refused(lease: Lease, signal: AbortSignal, response?: Response): Promise<boolean> {
    const held = this.#held;
    if (held === undefined || this.#closed) return false;
    const amended = response && this.#issuer.amend?.(response);
    if (amended !== undefined) return amended;
    // Another caller has replaced it meanwhile.
    if (held.lease !== lease) return true;
    // A file is read again at once.
    if (held.until !== Number.POSITIVE_INFINITY) {
      if (this.#options.clock.now() - held.since < FRESH_MS) return false;
      if (this.#pending === undefined && this.#pause.leftMs === 0) this.#emit("refused", held);
    }
    return waitFor(this.#refresh(), signal).then(
      (next) => next.lease !== lease,
      () => false,
    );
  }

  async limits(): Promise<readonly []> {
    return [];
  }

  containsSecret(bytes: Uint8Array): boolean {
    return this.#scanner.foundIn(bytes);
  }

  /** Nothing is revoked: what was issued expires. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRefresh();
    await this.#issuer.close();
  }

  #isUsable({ until }: Held<T>): boolean {
    return this.#options.clock.now() < until - SHORTEST_MS / 2;
  }

  #refresh(): Promise<Held<T>> {
    if (this.#closed) return Promise.reject(new Unreachable("the host is stopping"));
    if (this.#pending !== undefined) return this.#pending;
    const paused = this.#pause.currentFailure();
    if (paused !== undefined) return Promise.reject(paused);
    const pending = this.#attempt().finally(() => {
      this.#pending = undefined;
    });
    // No caller may be left to handle a rejection.
    pending.catch(() => {});
    this.#pending = pending;
    return pending;
  }

  async #attempt(): Promise<Held<T>> {
    const asked = this.#options.clock.now();
    try {
      const issued = await this.#issuer.source();
      this.#pause.reset();
      return this.#hold(issued, asked);
    } catch (error) {
      const failure =
        error instanceof Unreachable ? error : new Unreachable("the credential could not be read");
      this.#pause.recordFailure(failure);
      this.#options.onEvent({ provider: this.#options.provider, event: "failed", why: failure.message });
      this.#refreshIn(this.#pause.leftMs + 1);
      throw failure;
    }
  }

  #hold(issued: T, asked: number): Held<T> {
    const before = this.#held;
    const until = asked + issued.lifeMs;
    const isSame = before !== undefined && this.#issuer.isSame(before.issued, issued);
    const held = isSame
      ? { ...before, since: asked, until }
      : { issued, lease: this.#issuer.lease(issued), since: asked, until };
    this.#held = held;
    for (const [name, secret] of Object.entries(this.#issuer.secrets(issued)))
      if (secret !== undefined) this.#scanner.add(name, secret);
    if (!isSame) this.#emit(until === Number.POSITIVE_INFINITY ? "read" : "login", held);
    this.#replaceIn(issued.lifeMs);
    return held;
  }

  /** Hosts that started together must not ask together. */
  #replaceIn(lifeMs: number): void {
    const partMs = (lifeMs * 2 * (0.9 + 0.1 * this.#options.clock.random())) / 3;
    this.#refreshIn(lifeMs === Number.POSITIVE_INFINITY ? REREAD_MS : Math.max(partMs, SOONEST_MS));
  }

  #refreshIn(ms: number): void {
    this.#cancelRefresh();
    if (this.#closed) return;
    // Without a usable one, the next call asks.
    this.#cancelRefresh = this.#options.clock.after(ms, () => {
      if (this.#held !== undefined && this.#isUsable(this.#held)) void this.#refresh().catch(() => {});
    });
  }

  #emit(event: "login" | "read" | "refused", { until }: Held<T>): void {
    const { clock, onEvent, provider } = this.#options;
    const expires =
      until === Number.POSITIVE_INFINITY ? undefined : Math.round(clock.date() + until - clock.now());
    onEvent({ provider, event, expires });
  }
}
