/** For tests of credentials: a clock that the test moves, a server that the test answers for, and the events of a credential. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import type { CredentialEvent } from "../../host/capabilities/capability.ts";
import {
  type Credential,
  type Lease,
  type Request,
  type Response,
  type Send,
  Unreachable,
} from "../../host/capabilities/net/exchange.ts";
import type { Clock } from "../../host/capabilities/net/login/clock.ts";
import { createCredential } from "../../host/capabilities/net/login/credential.ts";
import type { CredentialConfig } from "../../host/capabilities/net/login/grant.ts";

/** The headers that a lease adds to a request that has none. */
export function headersOf(lease: Lease): Readonly<Record<string, string>> {
  return lease.sign({ method: "GET", path: "/", headers: {}, body: new Uint8Array() }).headers;
}

/** A lease that adds these headers. */
export function leaseWith(headers: Readonly<Record<string, string>>): Lease {
  return { sign: (request) => ({ ...request, headers: { ...request.headers, ...headers } }) };
}

export class TestClock implements Clock {
  #now = 1000;
  #timers: { readonly at: number; readonly run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  date(): number {
    return this.#now + 1_800_000_000_000;
  }

  /** The longest pauses, with renewal at exactly two thirds. */
  random(): number {
    return 1;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  get timers(): number {
    return this.#timers.length;
  }

  /** Runs all timers on the way, each at its time and after the effects of the previous one have settled. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await settled();
      const [next] = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = until;
  }
}

/** Waits until nothing is left that can continue by itself, except file operations. */
export async function settled(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await turn();
}

export type Answer = (request: Request) => Response | Promise<Response>;

/** A credential with its clock, its server and its folder of secret files. */
export class Rig {
  readonly folder = mkdtempSync(join(tmpdir(), "kleidi-credential-"));
  readonly clock = new TestClock();
  readonly requests: Request[] = [];
  /** Copies of the bodies as text, because those of `requests` may be wiped. */
  readonly bodies: string[] = [];
  readonly events: CredentialEvent[] = [];
  answer: Answer = () => json({});
  /** Answers for other servers than the origin. */
  other: (origin: string, request: Request) => Promise<Response> = async () => down();

  readonly send: Send = async (request) => {
    this.requests.push(request);
    this.bodies.push(Buffer.from(request.body).toString());
    return this.answer(request);
  };

  create(config: CredentialConfig): Credential {
    const { send, clock } = this;
    return createCredential(config, {
      provider: "vault",
      origin: "https://kms.example:443",
      send,
      connect: (origin) => ({ send: (request) => this.other(origin, request), close: async () => {} }),
      clock,
      onEvent: (event) => this.events.push(event),
    });
  }

  /** Writes a secret file. @returns its path */
  secret(name: string, content: string | Uint8Array, mode = 0o600): string {
    const path = join(this.folder, name);
    rmSync(path, { force: true });
    writeFileSync(path, content, { mode });
    return path;
  }

  paths(): string[] {
    return this.requests.map(({ path }) => path);
  }

  kinds(): string[] {
    return this.events.map(({ event }) => event);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function json(value: unknown, status = 200): Response {
  return { status, headers: {}, body: Buffer.from(JSON.stringify(value)) };
}

/** Vault's answer to a login. */
export function auth(token: string, seconds: number, renewable = true): Response {
  return json({ auth: { client_token: token, lease_duration: seconds, renewable } });
}

export function down(): never {
  throw new Unreachable("the connection to 127.0.0.1:8200 was refused");
}

/** For callers that can wait. */
export const patient = new AbortController().signal;
