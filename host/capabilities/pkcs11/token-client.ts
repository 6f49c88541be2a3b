/**
 * A token in the process of its module: one request at a time, a login when a process starts, and another process, after growing pauses,
 * when one ended. Any failure that may have changed the session ends the process: a new one finds the slots again, opens a session and logs
 * in, which is the way back from a token that was pulled, a session that expired and a module that lost its HSM.
 */
import type { ChildProcess } from "node:child_process";
import { backOffMs } from "../../lib/back-off.ts";
import { failure, keepsProcess, ModuleFailure } from "./failure.ts";
import { Message } from "./module/protocol.mjs";
import { ModuleProcess } from "./module-process.ts";
import { noteLogin, type Pin, readPin, readPinFile } from "./pin.ts";

export interface TokenOptions {
  readonly module: string;
  readonly token: string;
  readonly pinFile: string;
  /** The variables that the module's process sets before it loads the module. */
  readonly environment: Readonly<Record<string, string>>;
  /** Starts the module's process behind the wall. */
  readonly start: () => ChildProcess | Promise<ChildProcess>;
  /** Called after each login, with what the module says of itself and the token; and after each failed opening. */
  readonly onOpened?: (facts: Buffer) => void;
  readonly onFailed?: (failure: ModuleFailure) => void;
  /** For one operation, in milliseconds; the deadline of a provider's call is 2 s by default. */
  readonly callMs?: number;
}

export interface Operation {
  /** FIND, ENCRYPT or DECRYPT of Message. */
  readonly type: number;
  readonly fields: readonly Uint8Array[];
}

const CALL_MS = 1_500;
/** C_Initialize of an HSM on a network may connect to several machines. */
const OPEN_MS = 10_000;
const MAX_WAITING = 256;
const PAUSE = { firstMs: 100, longestMs: 10_000 };
/** A process that lived as long ends a series of failures. */
const GOOD_LIFE_MS = 30_000;
/** A key that is missing may mean that the token was pulled; a new process is tried at most as often. */
const RECHECK_MS = 10_000;

export class TokenClient {
  readonly #options: TokenOptions;
  #process: ModuleProcess | undefined;
  #opening: Promise<ModuleProcess> | undefined;
  /** The process that loads the module and logs in. */
  #starting: ModuleProcess | undefined;
  /** The end of the queue. */
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #failures = 0;
  /** No process is started before, for this reason. */
  #pause: { readonly until: number; readonly why: ModuleFailure } | undefined;
  #startedAt = 0;
  #recheckedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: TokenOptions) {
    this.#options = options;
  }

  /** For tests. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Performs an operation after those that wait.
   * @param signal ends the wait, not the operation
   * @throws ModuleFailure
   */
  async perform(operation: Operation, signal: AbortSignal): Promise<Buffer> {
    if (this.#waiting >= MAX_WAITING) throw failure("busy", `${MAX_WAITING}`);
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    this.#waiting += 1;
    try {
      await before;
      if (signal.aborted || this.#closed) throw failure("over");
      return await this.#performNow(operation);
    } finally {
      this.#waiting -= 1;
      resolve();
    }
  }

  close(): void {
    this.#closed = true;
    this.#starting?.kill(failure("over"));
    this.#process?.kill();
  }

  /** Performs it, and once more in a new process if the failure may be that of an old session. */
  async #performNow(operation: Operation): Promise<Buffer> {
    const isOld = this.#process !== undefined && this.#process.gone === undefined;
    try {
      return await this.#attempt(operation);
    } catch (error) {
      if (!(error instanceof ModuleFailure) || !isOld || !this.#isWorthRepeating(error)) throw error;
      this.#process?.kill(error);
      return await this.#attempt(operation);
    }
  }

  #isWorthRepeating(error: ModuleFailure): boolean {
    // the time of the call is over
    if (error.kind === "late") return false;
    if (error.kind !== "key-missing") return !keepsProcess(error);
    const now = performance.now();
    if (now - this.#recheckedAt < RECHECK_MS) return false;
    this.#recheckedAt = now;
    return true;
  }

  async #attempt({ type, fields }: Operation): Promise<Buffer> {
    const process = await this.#opened();
    try {
      return await process.request(type, fields, this.#options.callMs ?? CALL_MS);
    } catch (error) {
      if (!(error instanceof ModuleFailure)) throw error;
      const failed = this.#withoutPin(error);
      if (!keepsProcess(failed)) process.kill(failed);
      throw failed;
    }
  }

  /** The module has the PIN in its memory. */
  #withoutPin(failed: ModuleFailure): ModuleFailure {
    if (failed.said === "") return failed;
    try {
      const pin = readPinFile(this.#options.pinFile);
      const clean = pin.use((bytes) => failed.without(bytes));
      pin.wipe();
      return clean;
    } catch {
      // Without the file nothing tells whether its text contains the PIN.
      const { kind, told, call, rv } = failed;
      return new ModuleFailure(kind, told, { call, rv });
    }
  }

  /** The process, opened if there is none. An opening goes on when the call that began it is over. */
  #opened(): Promise<ModuleProcess> {
    const process = this.#process;
    if (process !== undefined) {
      if (process.gone === undefined) return Promise.resolve(process);
      this.#process = undefined;
      this.#countFailure(this.#withoutPin(process.gone));
    }
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<ModuleProcess> {
    if (this.#pause !== undefined && performance.now() < this.#pause.until) throw this.#pause.why;
    try {
      const { module, token } = this.#options;
      const process = await inTurn(`${module}\0${token}`, () => this.#login());
      this.#process = process;
      return process;
    } catch (error) {
      if (!(error instanceof ModuleFailure)) throw error;
      this.#countFailure(error);
      this.#options.onFailed?.(error);
      throw error;
    }
  }

  async #login(): Promise<ModuleProcess> {
    const { module, token, pinFile, environment, start, onOpened } = this.#options;
    this.#startedAt = performance.now();
    const pin = readPin(pinFile, `${module}\0${token}`);
    let process: ModuleProcess | undefined;
    try {
      process = new ModuleProcess(await start());
      this.#starting = process;
      if (this.#closed) throw failure("over");
      const options = Buffer.from(JSON.stringify({ module, token, environment }));
      await process.request(Message.OPEN, [options], OPEN_MS);
      onOpened?.(await offer(process, pin));
      return process;
    } catch (error) {
      process?.kill();
      const failed = error instanceof ModuleFailure ? error : failure("gone", String(error));
      throw pin.secret.use((bytes) => failed.without(bytes));
    } finally {
      this.#starting = undefined;
      pin.secret.wipe();
    }
  }

  #countFailure(why: ModuleFailure): void {
    const now = performance.now();
    if (now - this.#startedAt >= GOOD_LIFE_MS) this.#failures = 0;
    this.#failures += 1;
    // The first one is replaced at once.
    const ms = this.#failures === 1 ? 0 : backOffMs(PAUSE, this.#failures - 1);
    this.#pause = { until: now + ms, why };
  }
}

async function offer(process: ModuleProcess, pin: Pin): Promise<Buffer> {
  try {
    const again = Buffer.from(pin.hasFailed ? "1" : "0");
    const facts = await pin.secret.use((bytes) => process.request(Message.LOGIN, [bytes, again], OPEN_MS));
    noteLogin(pin);
    return facts;
  } catch (error) {
    if (error instanceof ModuleFailure) noteLogin(pin, error);
    throw error;
  }
}

/** The last login that was begun, by token. Providers of one token log in one after the other, because each may have the last try. */
const turns = new Map<string, Promise<unknown>>();

async function inTurn<T>(token: string, login: () => Promise<T>): Promise<T> {
  const before = turns.get(token) ?? Promise.resolve();
  const mine = before.then(login, login);
  turns.set(token, mine);
  try {
    return await mine;
  } finally {
    if (turns.get(token) === mine) turns.delete(token);
  }
}
