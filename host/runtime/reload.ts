/**
 * Reloads the configuration of a serving host. The next set is opened, started and probed beside the one that serves. If all is well it
 * takes its place at once, and calls in flight end on the former one; otherwise it is closed, and nothing else has changed.
 */
import type { Config } from "../config/config.ts";
import { type KleidiError, toKleidiError } from "../error.ts";
import type { Reload } from "./observer.ts";
import { assertReloadable, assertServes, reloadRefused } from "./preflight.ts";
import type { Serving } from "./serving.ts";
import { ServingSet, type SetParts } from "./serving-set.ts";

/** The longest RPC takes 2.4 s. */
const LAST_CALLS_MS = 4_000;

export interface ReloaderOptions {
  readonly serving: Serving;
  /** Reads the configuration file. It must change nothing. @throws KleidiError config-invalid */
  readonly read: () => Config;
  /** The parts of a set that is not to be seen yet; `release` makes it seen. */
  readonly shadow: (config: Config) => SetParts & { release(): void };
}

/** The verdict on the last reload. */
export type ReloadVerdict = Reload & { /** Milliseconds since 1970. */ readonly at: number };

export class Reloader {
  readonly #options: ReloaderOptions;
  #last: ReloadVerdict | undefined;
  #running: Promise<ReloadVerdict> | undefined;
  /** A reload that begins when the running one has ended. All that ask for one meanwhile share it. */
  #next: Promise<ReloadVerdict> | undefined;
  #shadow: ServingSet | undefined;
  #closed = false;

  constructor(options: ReloaderOptions) {
    this.#options = options;
  }

  /** Undefined: there was none. */
  get last(): ReloadVerdict | undefined {
    return this.#last;
  }

  /**
   * Reads the configuration and, if all of it works, serves with it.
   * @returns the verdict; never rejects
   */
  reload(): Promise<ReloadVerdict> {
    this.#next ??= Promise.resolve(this.#running).then(() => {
      this.#next = undefined;
      this.#running = this.#perform();
      return this.#running;
    });
    return this.#next;
  }

  /** Ends a reload that is running: it is refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#shadow?.close(this.#options.serving.current);
  }

  async #perform(): Promise<ReloadVerdict> {
    const { serving } = this.#options;
    let config: Config | undefined;
    let verdict: Reload;
    await serving.current.settled();
    try {
      config = this.#options.read();
      verdict = await this.#exchange(config);
    } catch (error) {
      const failure = refusalOf(error, config ?? serving.current.config);
      verdict = { outcome: "refused", failure, ...(config && { sha256: config.sha256 }) };
      serving.current.observer.reloaded(verdict);
    }
    this.#last = { ...verdict, at: Date.now() };
    return this.#last;
  }

  /** @throws KleidiError the next set is closed, and the current one serves on */
  async #exchange(config: Config): Promise<Reload> {
    const { serving, shadow } = this.#options;
    const now = serving.current;
    assertReloadable(config, now.config);
    const parts = shadow(config);
    const next = await ServingSet.open(config, parts, now);
    this.#shadow = next;
    try {
      await next.start();
      assertServes(next, now);
      if (this.#closed) throw new Error("the host is stopping");
      const verdict = changeOf(next, now);
      // Throws if it cannot be recorded.
      next.observer.reloaded(verdict);
      serving.exchange(next);
      parts.release();
      void retire(now, next);
      return verdict;
    } catch (error) {
      await next.close(now);
      throw error;
    } finally {
      this.#shadow = undefined;
    }
  }
}

/** Ends a set when its last RPC has ended. */
async function retire(former: ServingSet, next: ServingSet): Promise<void> {
  former.endProbes();
  await former.inFlight.idle(LAST_CALLS_MS);
  await former.close(next);
}

function changeOf(next: ServingSet, now: ServingSet): Reload {
  const keys = next.keyset.keys.map(({ name }) => name);
  const before = now.keyset.keys.map(({ name }) => name);
  return {
    outcome: "applied",
    config: next.config,
    opened: next.providers.all.filter((each) => !now.providers.all.includes(each)).map(nameOf),
    closed: now.providers.all.filter((each) => !next.providers.all.includes(each)).map(nameOf),
    addedKeys: keys.filter((name) => !before.includes(name)),
    removedKeys: before.filter((name) => !keys.includes(name)),
  };
}

function nameOf({ config: { name } }: { readonly config: { readonly name: string } }): string {
  return name;
}

function refusalOf(error: unknown, { file }: Config): KleidiError {
  const failure = toKleidiError(error, "reload the configuration");
  return failure.code === "reload-refused" ? failure : reloadRefused(file, failure);
}
