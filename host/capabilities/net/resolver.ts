/**
 * Names to addresses, for the whole host: one lookup of a name at a time for all providers, and none that keeps another name waiting. While
 * a new answer is on its way for longer than usual, or the resolver has none now, the last good addresses are used: that they may be
 * connected to is decided by who uses them, each time, and who is there by TLS.
 */
import { codeOf } from "./faults.ts";
import { ResolverProcess } from "./resolver-process.ts";

export type Resolve = (name: string) => Promise<readonly { readonly address: string }[]>;

/** A name that has good addresses is waited for so long. */
const GRACE_MS = 250;
/** Nobody should go on for a day with what a name led to yesterday. */
const KEPT_MS = 3_600_000;

export interface ResolverOptions {
  /** The last good addresses of a name are used because of this, told once until there is a new answer. */
  readonly onStale?: (name: string, why: string) => void;
  /** In place of the system's, in a process of its own. */
  readonly lookUp?: (name: string) => Promise<readonly string[]>;
}

interface Known {
  readonly addresses: readonly string[];
  readonly at: number;
}

interface Flight {
  readonly answer: Promise<readonly string[]>;
  readonly since: number;
}

export class Resolver {
  readonly #process = new ResolverProcess();
  readonly #lookUp: (name: string) => Promise<readonly string[]>;
  readonly #onStale: (name: string, why: string) => void;
  readonly #known = new Map<string, Known>();
  readonly #flights = new Map<string, Flight>();
  readonly #stale = new Set<string>();

  constructor({ onStale = () => {}, lookUp }: ResolverOptions = {}) {
    this.#lookUp = lookUp ?? ((name) => this.#process.ask(name));
    this.#onStale = onStale;
  }

  /** Rejects with an error whose `code` says why. Waits as long as the resolver takes: the caller has a limit of its own. */
  readonly resolve: Resolve = async (name) => {
    const { answer, since } = this.#flight(name);
    const known = this.#known.get(name);
    const now = performance.now();
    const addresses =
      known === undefined || now - known.at > KEPT_MS
        ? await answer
        : await this.#orKnown(name, known, answer, GRACE_MS - (now - since));
    return addresses.map((address) => ({ address }));
  };

  close(): void {
    this.#process.close();
  }

  #flight(name: string): Flight {
    const under = this.#flights.get(name);
    if (under !== undefined) return under;
    const answer = this.#lookUp(name).then(
      (addresses) => {
        this.#known.set(name, { addresses, at: performance.now() });
        this.#stale.delete(name);
        return addresses;
      },
      (error: unknown) => {
        // It says that there is no such name: what it led to counts no more.
        if (codeOf(error) === "ENOTFOUND") this.#known.delete(name);
        throw error;
      },
    );
    const flight = { answer, since: performance.now() };
    this.#flights.set(name, flight);
    const over = () => this.#flights.delete(name);
    answer.then(over, over);
    return flight;
  }

  async #orKnown(
    name: string,
    known: Known,
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
      if (!this.#known.has(name)) throw error;
      why = `it has no answer (${codeOf(error)})`;
    } finally {
      clearTimeout(timer);
    }
    if (!this.#stale.has(name)) this.#onStale(name, why);
    this.#stale.add(name);
    return known.addresses;
  }
}

let shared: Resolver | undefined;

/** For who looks at one origin and has no resolver of its own. Its process ends with this one. */
export const systemResolve: Resolve = (name) => {
  shared ??= new Resolver();
  return shared.resolve(name);
};
