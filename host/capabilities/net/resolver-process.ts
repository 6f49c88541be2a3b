/**
 * getaddrinfo in a separate process.
 *
 * In the host's process it would run in libuv's pool, where two hanging lookups use up the share of lookups: they would block every other
 * name, and the exit of the host. c-ares (dns.Resolver) can be cancelled, but reads neither nsswitch.conf nor /etc/hosts as the machine
 * does. A process can be killed, and with a thread per name no name waits for another. The process uses 12 MB, and starts with the first
 * lookup.
 */
import { type ChildProcess, fork } from "node:child_process";
import { isIP } from "node:net";
import { join } from "node:path";

/** libuv keeps half of its threads free of lookups, so this is 128 names at once. A thread costs 10 kB. */
const THREADS = 256;
/** Three name servers, two tries of five seconds each, for two domains: a resolver that takes longer will not answer. */
const HUNG_MS = 60_000;
/** Addresses that are kept per name; a server does not have more. */
const MAX_ADDRESSES = 64;

const PROGRAM = join(import.meta.dirname, "lookup.mjs");

/** The environment variables of glibc's resolver (resolv.conf(5)). */
const ENVIRONMENT = ["RES_OPTIONS", "LOCALDOMAIN"];

interface PendingLookup {
  readonly resolve: (addresses: readonly string[]) => void;
  readonly reject: (error: Error) => void;
  timer?: ReturnType<typeof setTimeout>;
}

/** A lookup that failed. `code` is getaddrinfo's, or one of ours. */
export class LookupFailed extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

export class ResolverProcess {
  readonly #pending = new Map<string, PendingLookup>();
  readonly #hungMs: number;
  #child: ChildProcess | undefined;
  #closed = false;

  constructor(hungMs = HUNG_MS) {
    this.#hungMs = hungMs;
  }

  /** For tests. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Looks a name up. Call it once at a time for each name.
   * @returns its addresses
   * @throws LookupFailed
   */
  ask(name: string): Promise<readonly string[]> {
    if (this.#closed) return Promise.reject(new LookupFailed("ECANCELLED"));
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
    const pending = { resolve, reject };
    this.#pending.set(name, pending);
    this.#send(name, pending);
    return promise;
  }

  close(): void {
    this.#closed = true;
    this.#kill();
    for (const name of this.#pending.keys()) this.#settle(name)?.reject(new LookupFailed("ECANCELLED"));
  }

  #send(name: string, pending: PendingLookup): void {
    clearTimeout(pending.timer);
    pending.timer = setTimeout(() => this.#giveUp(name), this.#hungMs).unref();
    this.#child ??= this.#start();
    const child = this.#child;
    // Without descriptors there is no channel. Any other send failure shows as the end of the process.
    if (child.connected) child.send(name, () => {});
    else this.#onEnd(child);
  }

  #start(): ChildProcess {
    const child = fork(PROGRAM, {
      execArgv: [
        "--permission",
        "--allow-net",
        `--allow-fs-read=${PROGRAM}`,
        "--disable-warning=SecurityWarning",
        "--disable-warning=ExperimentalWarning",
      ],
      cwd: "/",
      env: environment(),
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    const kill = () => child.kill("SIGKILL");
    process.once("exit", kill);
    child.on("message", (message) => this.#onMessage(message));
    // The process could not be started: no "close" event follows.
    child.on("error", () => {
      kill();
      this.#onEnd(child);
    });
    child.once("close", () => {
      process.off("exit", kill);
      this.#onEnd(child);
    });
    // It does not keep the host alive: each caller has a timer.
    child.unref();
    child.channel?.unref();
    return child;
  }

  /** Handles an answer of the process. It is derived from network data and not trusted. */
  #onMessage(message: unknown): void {
    const { name, addresses, code } = (message ?? {}) as Record<string, unknown>;
    if (typeof name !== "string") return;
    const pending = this.#settle(name);
    if (pending === undefined) return;
    if (Array.isArray(addresses))
      pending.resolve(
        addresses.filter((each) => typeof each === "string" && isIP(each) !== 0).slice(0, MAX_ADDRESSES),
      );
    else pending.reject(new LookupFailed(/^[A-Z_]{1,32}$/.test(String(code)) ? String(code) : "EAI_FAIL"));
  }

  /** Kills the process, the only way to end a hanging thread. The other names are looked up again in the next process. */
  #giveUp(name: string): void {
    this.#settle(name)?.reject(new LookupFailed("ETIMEOUT"));
    this.#kill();
    for (const [other, pending] of this.#pending) this.#send(other, pending);
  }

  #kill(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill("SIGKILL");
  }

  /** Handles an unexpected exit. Lookups are not repeated, because the same lookup could end the next process too. */
  #onEnd(child: ChildProcess): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    for (const name of this.#pending.keys()) this.#settle(name)?.reject(new LookupFailed("ERESOLVER"));
  }

  #settle(name: string): PendingLookup | undefined {
    const pending = this.#pending.get(name);
    this.#pending.delete(name);
    clearTimeout(pending?.timer);
    return pending;
  }
}

function environment(): Record<string, string> {
  const passed = ENVIRONMENT.flatMap((name): [string, string][] => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return { UV_THREADPOOL_SIZE: String(THREADS), ...Object.fromEntries(passed) };
}
