/**
 * getaddrinfo in a process of its own.
 *
 * In the host's process it would run in libuv's pool: two lookups that hang are all that the pool of four allows, so two names keep
 * every other one from being resolved, and the end of the host waits for them. c-ares (dns.Resolver) can be given up, but reads
 * neither /etc/hosts as the machine does nor nsswitch.conf. A process is given up by killing it, and with a thread for each name no
 * name waits for another one. It has 12 MB of its own memory, and is started with the first name that is resolved.
 */
import { type ChildProcess, fork } from "node:child_process";
import { isIP } from "node:net";
import { join } from "node:path";

/** libuv keeps half of its threads free of lookups, so this is 128 names at once. A thread costs 10 kB. */
const THREADS = 256;
/** Three name servers, two tries of five seconds each, for two domains: a resolver that takes longer will not answer. */
const HUNG_MS = 60_000;
/** What a name may lead to: more is not a server. */
const MAX_ADDRESSES = 64;

const PROGRAM = join(import.meta.dirname, "lookup.mjs");

/** What glibc's resolver looks for in the environment (resolv.conf(5)). */
const ENVIRONMENT = ["RES_OPTIONS", "LOCALDOMAIN"];

interface Asked {
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
  readonly #asked = new Map<string, Asked>();
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

  /** One at a time for each name. Rejects with a LookupFailed. */
  ask(name: string): Promise<readonly string[]> {
    if (this.#closed) return Promise.reject(new LookupFailed("ECANCELLED"));
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
    const asked = { resolve, reject };
    this.#asked.set(name, asked);
    this.#send(name, asked);
    return promise;
  }

  close(): void {
    this.#closed = true;
    this.#kill();
    for (const name of this.#asked.keys()) this.#settle(name)?.reject(new LookupFailed("ECANCELLED"));
  }

  #send(name: string, asked: Asked): void {
    clearTimeout(asked.timer);
    asked.timer = setTimeout(() => this.#giveUp(name), this.#hungMs).unref();
    this.#child ??= this.#start();
    const child = this.#child;
    // Out of descriptors, there is not even a channel. What cannot be sent else is told by the end of the process.
    if (child.connected) child.send(name, () => {});
    else this.#ended(child);
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
    child.on("message", (message) => this.#answer(message));
    // It could not be started: then there is no end to be told of.
    child.on("error", () => {
      kill();
      this.#ended(child);
    });
    child.once("close", () => {
      process.off("exit", kill);
      this.#ended(child);
    });
    // It keeps no command from its end: who waits for a name has a timer.
    child.unref();
    child.channel?.unref();
    return child;
  }

  /** What the process says is made of what others answered: it is looked at as that. */
  #answer(message: unknown): void {
    const { name, addresses, code } = (message ?? {}) as Record<string, unknown>;
    if (typeof name !== "string") return;
    const asked = this.#settle(name);
    if (asked === undefined) return;
    if (Array.isArray(addresses))
      asked.resolve(
        addresses.filter((each) => typeof each === "string" && isIP(each) !== 0).slice(0, MAX_ADDRESSES),
      );
    else asked.reject(new LookupFailed(/^[A-Z_]{1,32}$/.test(String(code)) ? String(code) : "EAI_FAIL"));
  }

  /** A thread that hangs for good is gone with its process only; the other names are asked again in the next one. */
  #giveUp(name: string): void {
    this.#settle(name)?.reject(new LookupFailed("ETIMEOUT"));
    this.#kill();
    for (const [other, asked] of this.#asked) this.#send(other, asked);
  }

  #kill(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill("SIGKILL");
  }

  /** By itself: not asked again here, or what ends it would end it again and again. */
  #ended(child: ChildProcess): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    for (const name of this.#asked.keys()) this.#settle(name)?.reject(new LookupFailed("ERESOLVER"));
  }

  #settle(name: string): Asked | undefined {
    const asked = this.#asked.get(name);
    this.#asked.delete(name);
    clearTimeout(asked?.timer);
    return asked;
  }
}

function environment(): Record<string, string> {
  const passed = ENVIRONMENT.flatMap((name): [string, string][] => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return { UV_THREADPOOL_SIZE: String(THREADS), ...Object.fromEntries(passed) };
}
