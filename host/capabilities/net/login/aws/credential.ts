/**
 * The keys of an AWS identity, of which each lease signs one request. All callers share one request for keys at a time; during the pause after
 * a failed one, calls fail at once. At two thirds of their life keys are replaced; expired ones are never used.
 */
import { inspect } from "node:util";
import { type Lease, type Request, type Response, Unreachable } from "../../exchange.ts";
import { FailurePause } from "../failure-pause.ts";
import type { LimitedCredential } from "../limited-credential.ts";
import type { SigningOptions } from "../method.ts";
import { SecretScanner } from "../secret-scanner.ts";
import { waitFor } from "../timed-request.ts";
import type { AwsLogin } from "./grant.ts";
import { refusalIn } from "./refusal.ts";
import { ServerClock } from "./server-clock.ts";
import { type Session, SHORTEST_MS } from "./session.ts";
import { type Keys, Signer } from "./signer.ts";
import { type Identity, identityOf } from "./source.ts";

/** Keys that do not expire come from a file, which another program may replace. */
const REREAD_MS = 60_000;
/** The metadata service gives the same keys until shortly before their end. */
const SOONEST_MS = 5000;
/** A refusal of younger keys concerns the request and not the keys. */
const FRESH_MS = 10_000;

interface Held {
  readonly keys: Keys;
  readonly lease: AwsLease;
  /** On the monotonic clock. */
  readonly since: number;
  readonly until: number;
}

/** Signs a request to the origin. */
export class AwsLease implements Lease {
  readonly #sign: (request: Request) => Request;
  /** Asks STS for the ARN of the identity; undefined if no STS is configured. */
  readonly identity: (() => Promise<string>) | undefined;

  constructor(sign: (request: Request) => Request, identity: (() => Promise<string>) | undefined) {
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

export class AwsCredential implements LimitedCredential {
  readonly #config: AwsLogin;
  readonly #options: SigningOptions;
  readonly #host: string;
  readonly #identity: Identity;
  readonly #serverClock: ServerClock;
  readonly #scanner: SecretScanner;
  readonly #pause: FailurePause;
  #held: Held | undefined;
  #pending: Promise<Held> | undefined;
  #cancelRefresh = () => {};
  #closed = false;

  constructor(config: AwsLogin, options: SigningOptions) {
    const { clock, origin, connect, onEvent, provider } = options;
    this.#config = config;
    this.#options = options;
    this.#host = new URL(origin).host;
    this.#serverClock = new ServerClock(clock, (why) => onEvent({ provider, event: "refused", why }));
    this.#identity = identityOf(config, connect, clock, this.#serverClock);
    this.#scanner = new SecretScanner(clock);
    this.#pause = new FailurePause(clock);
  }

  async lease(signal: AbortSignal): Promise<Lease> {
    const held = this.#held;
    if (!this.#closed && held !== undefined && this.#isUsable(held)) return held.lease;
    return (await waitFor(this.#refresh(), signal)).lease;
  }

  isRefusal(response: Response): boolean {
    return refusalIn(response) !== undefined;
  }

  async refused(lease: Lease, signal: AbortSignal, response?: Response): Promise<boolean> {
    const held = this.#held;
    if (held === undefined || this.#closed) return false;
    if (response !== undefined && refusalIn(response) === "time")
      return this.#serverClock.correctFrom(response);
    // Another caller has replaced the keys meanwhile.
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

  /** AWS has no way to revoke the keys of a session: they expire. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRefresh();
    await this.#identity.close();
  }

  #isUsable({ until }: Held): boolean {
    return this.#options.clock.now() < until - SHORTEST_MS / 2;
  }

  #refresh(): Promise<Held> {
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

  async #attempt(): Promise<Held> {
    const asked = this.#options.clock.now();
    try {
      const session = await this.#identity.source();
      this.#pause.reset();
      return this.#hold(session, asked);
    } catch (error) {
      const failure = error instanceof Unreachable ? error : new Unreachable("the keys could not be read");
      this.#pause.recordFailure(failure);
      this.#options.onEvent({ provider: this.#options.provider, event: "failed", why: failure.message });
      this.#refreshIn(this.#pause.leftMs + 1);
      throw failure;
    }
  }

  #hold({ keys, lifeMs }: Session, asked: number): Held {
    const before = this.#held;
    const until = asked + lifeMs;
    const isSame = before !== undefined && areSame(before.keys, keys);
    const held = isSame ? { ...before, until } : { keys, lease: this.#leaseFor(keys), since: asked, until };
    this.#held = held;
    this.#scanner.add("secret access key", keys.secretAccessKey);
    if (keys.sessionToken !== undefined) this.#scanner.add("session token", keys.sessionToken);
    if (!isSame) this.#emit(lifeMs === Number.POSITIVE_INFINITY ? "read" : "login", held);
    const { random } = this.#options.clock;
    const partMs = (lifeMs * 2 * (0.9 + 0.1 * random())) / 3;
    this.#refreshIn(lifeMs === Number.POSITIVE_INFINITY ? REREAD_MS : Math.max(partMs, SOONEST_MS));
    return held;
  }

  #leaseFor(keys: Keys): AwsLease {
    const signer = new Signer(keys, { region: this.#config.region, service: "kms" });
    const { name } = this.#identity;
    return new AwsLease(
      (request) => signer.sign(request, this.#host, this.#serverClock.date()),
      name === undefined ? undefined : () => name(keys),
    );
  }

  #refreshIn(ms: number): void {
    this.#cancelRefresh();
    if (this.#closed) return;
    // Without keys, the next call asks for some.
    this.#cancelRefresh = this.#options.clock.after(ms, () => {
      if (this.#held !== undefined && this.#isUsable(this.#held)) void this.#refresh().catch(() => {});
    });
  }

  #emit(event: "login" | "read" | "refused", { until }: Held): void {
    const { clock, onEvent, provider } = this.#options;
    const expires =
      until === Number.POSITIVE_INFINITY ? undefined : Math.round(clock.date() + until - clock.now());
    onEvent({ provider, event, expires });
  }
}

function areSame(one: Keys, other: Keys): boolean {
  const [a, b] = [one.sessionToken, other.sessionToken];
  return (
    one.accessKeyId === other.accessKeyId &&
    one.secretAccessKey.equals(other.secretAccessKey) &&
    (a === undefined || b === undefined ? a === b : a.equals(b))
  );
}
