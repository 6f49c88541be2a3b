/**
 * Resolves names for the whole host: one lookup per name at a time for all providers, and no name waits for another. While a lookup is slow
 * or fails, the last good addresses are used. That is safe: the caller checks each time that it may connect to an address, and TLS
 * verifies the server.
 */
import { codeOf } from "./faults.ts";
import { ResolverProcess } from "./resolver-process.ts";

export type Resolve = (name: string) => Promise<readonly { readonly address: string }[]>;

/** The longest wait of a caller for a new answer if cached addresses exist. */
const GRACE_MS = 250;
/** Cached addresses are not used for longer. */
const MAX_AGE_MS = 3_600_000;

export interface ResolverOptions {
  /** Called once, with the reason, when cached addresses are used; again only after a new answer. */
  readonly onStale?: (name: string, why: string) => void;
  /** Replaces the lookup in the resolver process. */
  readonly lookUp?: (name: string) => Promise<readonly string[]>;
}

interface CachedAddresses {
  readonly addresses: readonly string[];
  readonly at: number;
}

interface PendingLookup {
  readonly answer: Promise<readonly string[]>;
  readonly since: number;
}

export class Resolver {
  readonly #process = new ResolverProcess();
  readonly #lookUp: (name: string) => Promise<readonly string[]>;
  readonly #onStale: (name: string, why: string) => void;
  readonly #cached = new Map<string, CachedAddresses>();
  readonly #pending = new Map<string, PendingLookup>();
  readonly #stale = new Set<string>();

  constructor({ onStale = () => {}, lookUp }: ResolverOptions = {}) {
    this.#lookUp = lookUp ?? ((name) => this.#process.ask(name));
    this.#onStale = onStale;
  }

  /** Resolves a name. Rejects with an error with a `code`. Has no time limit of its own: the caller has one. */
  readonly resolve: Resolve = async (name) => {
    const { answer, since } = this.#lookUpOnce(name);
    const cached = this.#cached.get(name);
    const now = performance.now();
    const addresses =
      cached === undefined || now - cached.at > MAX_AGE_MS
        ? await answer
        : await this.#answerOrCached(name, cached, answer, GRACE_MS - (now - since));
    return addresses.map((address) => ({ address }));
  };

  close(): void {
    this.#process.close();
  }

  #lookUpOnce(name: string): PendingLookup {
    const running = this.#pending.get(name);
    if (running !== undefined) return running;
    const answer = this.#lookUp(name).then(
      (addresses) => {
        this.#cached.set(name, { addresses, at: performance.now() });
        this.#stale.delete(name);
        return addresses;
      },
      (error: unknown) => {
        // The name does not exist: its cached addresses are no longer valid.
        if (codeOf(error) === "ENOTFOUND") this.#cached.delete(name);
        throw error;
      },
    );
    const pending = { answer, since: performance.now() };
    this.#pending.set(name, pending);
    const over = () => this.#pending.delete(name);
    answer.then(over, over);
    return pending;
  }

  async #answerOrCached(
    name: string,
    cached: CachedAddresses,
    answer: Promise<readonly string[]>,
    waitMs: number,
  ): Promise<readonly string[]> {
    const late = Symbol("late");
    const { promise, resolve } = Promise.withResolvers<typeof late>();
    const timer = setTimeout(() => resolve(late), Math.max(0, waitMs));
    let why = "it does not answer";
    try {
      const first = await Promise.race([answer, promise]);
      if (first !== late) return first;
    } catch (error) {
      if (!this.#cached.has(name)) throw error;
      why = `it has no answer (${codeOf(error)})`;
    } finally {
      clearTimeout(timer);
    }
    if (!this.#stale.has(name)) this.#onStale(name, why);
    this.#stale.add(name);
    return cached.addresses;
  }
}

/** The resolver of this process: all providers use it, so that a name is looked up once at a time. */
let shared: Resolver | undefined;
const users = new Set<ResolverUser>();

interface ResolverUser {
  /** See ResolverOptions. */
  readonly onStale: (name: string, why: string) => void;
}

/**
 * @param onStale see ResolverOptions
 * @returns the resolver that all users share, until the last one is closed
 */
export function joinResolver(onStale: ResolverUser["onStale"]): { resolve: Resolve; close(): void } {
  const user = { onStale };
  users.add(user);
  return {
    resolve: systemResolve,
    close() {
      users.delete(user);
      if (users.size > 0) return;
      shared?.close();
      shared = undefined;
    },
  };
}

/** The shared resolver, for callers that do not close it. Its process ends with this one. */
export const systemResolve: Resolve = (name) => {
  shared ??= new Resolver({
    onStale: (...stale) => {
      // One report is enough: all write to the same log.
      for (const user of users) return user.onStale(...stale);
    },
  });
  return shared.resolve(name);
};
