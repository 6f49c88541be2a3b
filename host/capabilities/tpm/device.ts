/**
 * One TPM: connected on demand, disconnected at the first failure. A late response would be taken for the response to the next command,
 * so a connection that timed out is never used again. Whatever it left in the TPM is flushed by the next connection.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type BackOff, backOffMs } from "../../lib/back-off.ts";
import { within } from "../../lib/deadline.ts";
import { FLUSHABLE, handlesListed, listHandles } from "./handle-list.ts";
import { flushContext, startup } from "./host-commands.ts";
import { codeOf, faultOf, Rc } from "./response.ts";
import type { TpmEndpoint, Transport } from "./transport.ts";
import { TransportError } from "./transport-error.ts";

/** Warnings that ask for a retry of the same command (TPM 2.0 Part 2, 6.6.3). Never a lockout or an authorization failure. */
const ASKS_AGAIN: ReadonlySet<number> = new Set([Rc.RETRY, Rc.TESTING, Rc.YIELDED]);
const RETRIES = 5;
const BACK_OFF: BackOff = { firstMs: 10, longestMs: 320 };
export const TIMEOUT_MS = 2000;
/** The limit for the take-over, as a multiple of the time-out of one command: a TPM that is slow at each step must not block the queue. */
const CONNECT_TIMEOUTS = 4;

export interface DeviceOptions {
  readonly endpoint: TpmEndpoint;
  /** For one command, in milliseconds. */
  readonly timeoutMs?: number | undefined;
  /** Called when all loaded objects and sessions are lost or unreachable, before the failed exchange rejects. */
  readonly onLost: (why: string) => void;
}

/** Not reentrant: queue.ts serializes its callers. */
export class Device {
  readonly #endpoint: TpmEndpoint;
  readonly #timeoutMs: number;
  readonly #onLost: (why: string) => void;
  #connection: Transport | undefined;
  /** The TPM may hold objects or sessions whose handles the host does not know. */
  #orphans = false;

  constructor({ endpoint, timeoutMs = TIMEOUT_MS, onLost }: DeviceOptions) {
    this.#endpoint = endpoint;
    this.#timeoutMs = timeoutMs;
    this.#onLost = onLost;
  }

  /**
   * Sends a command and retries it while the TPM asks for that.
   * @throws TransportError the connection is then closed
   */
  async exchange(command: Uint8Array): Promise<Uint8Array> {
    const connection = this.#connection ?? (await this.#connect());
    for (let attempt = 0; ; attempt++) {
      const response = await this.#once(connection, command);
      const code = codeOf(response);
      if (code === Rc.INITIALIZE) this.#drop(connection, "the TPM was reset");
      if (!ASKS_AGAIN.has(code) || attempt === RETRIES) return response;
      await sleep(backOffMs(BACK_OFF, attempt + 1));
      // The command's handles belong to a connection that is closed.
      if (this.#connection !== connection)
        throw new TransportError("the connection ended between two attempts");
    }
  }

  /** Closes the connection after an impossible response: the state of the TPM is unknown. */
  abandon(why: string): void {
    if (this.#connection !== undefined) this.#drop(this.#connection, why);
  }

  /**
   * Flushes handles that no provider owns: a garbled response may have named a handle other than the TPM's, or hidden one. Does nothing
   * behind a resource manager, which lists the sessions of its other clients too.
   * @returns true if something was flushed
   */
  async sweep(isOwned: (handle: number) => boolean): Promise<boolean> {
    const connection = this.#connection;
    if (connection === undefined || this.#endpoint.managed) return false;
    return await this.#flushAll(connection, isOwned);
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  async close(): Promise<void> {
    if (this.#connection === undefined && this.#orphans && !this.#endpoint.managed) {
      // The last chance to flush what a lost connection left.
      await this.#connect().catch(() => {});
    }
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close();
  }

  async #connect(): Promise<Transport> {
    const connection = await this.#open();
    try {
      if (!this.#endpoint.managed) {
        await this.#inTime(this.#takeOver(connection), CONNECT_TIMEOUTS * this.#timeoutMs);
      }
    } catch (error) {
      // For every error: a virtual TPM has one client, and nothing else would close this connection.
      throw this.#failed(connection, error);
    }
    this.#connection = connection;
    return connection;
  }

  async #open(): Promise<Transport> {
    const given = new AbortController();
    let connection: Transport | undefined;
    const opening = this.#endpoint.open(() => this.#drop(connection, "the connection ended"), given.signal);
    try {
      connection = await this.#inTime(opening);
      return connection;
    } catch (error) {
      given.abort();
      opening.then((late) => late.close()).catch(() => {});
      throw error;
    }
  }

  /** Starts the TPM and flushes it. Without a resource manager the host is the only client: all loaded objects are leftovers of its own. */
  async #takeOver(connection: Transport): Promise<void> {
    const code = await this.#ask(connection, startup(), codeOf);
    if (code !== 0 && code !== Rc.INITIALIZE) throw new TransportError(`Startup gave 0x${code.toString(16)}`);
    await this.#flushAll(connection, () => false);
    this.#orphans = false;
  }

  async #flushAll(connection: Transport, except: (handle: number) => boolean): Promise<boolean> {
    let any = false;
    for (const first of FLUSHABLE) {
      const handles = await this.#ask(connection, listHandles(first), (response) =>
        handlesListed(first, response),
      );
      for (const handle of handles) {
        if (except(handle)) continue;
        any = (await this.#ask(connection, flushContext(handle), codeOf)) === 0 || any;
      }
    }
    return any;
  }

  #once(connection: Transport, command: Uint8Array): Promise<Uint8Array> {
    return this.#ask(connection, command, (response) => response);
  }

  /** Sends one command. A missing or malformed response closes the connection. @throws TransportError */
  async #ask<T>(connection: Transport, command: Uint8Array, read: (response: Uint8Array) => T): Promise<T> {
    try {
      const response = await this.#inTime(connection.exchange(command));
      const fault = faultOf(response);
      if (fault !== undefined) throw new TransportError(fault);
      return read(response);
    } catch (error) {
      throw this.#failed(connection, error);
    }
  }

  /** Closes the connection. @returns the error to throw */
  #failed(connection: Transport, error: unknown): TransportError {
    const why = error instanceof Error ? error.message : "it failed";
    this.#drop(connection, why);
    return error instanceof TransportError ? error : new TransportError(why);
  }

  #drop(connection: Transport | undefined, why: string): void {
    connection?.close();
    this.#orphans = true;
    if (connection === undefined || this.#connection !== connection) return;
    this.#connection = undefined;
    this.#onLost(why);
  }

  #inTime<T>(work: Promise<T>, ms = this.#timeoutMs): Promise<T> {
    return within(ms, work, () => new TransportError(`no answer in ${ms} ms`));
  }
}
