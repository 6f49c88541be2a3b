/**
 * One TPM: connected when it is needed, left at the first failure. A late answer would be taken for the next response, so a
 * connection that timed out is never used again; what may be left in the TPM is flushed on the next one.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type BackOff, backOffMs } from "../../lib/back-off.ts";
import { within } from "../../lib/deadline.ts";
import { FLUSHABLE, handlesListed, listHandles } from "./handle-list.ts";
import { flushContext, startup } from "./housekeeping.ts";
import { codeOf, faultOf, Rc } from "./response.ts";
import type { Transport, Where } from "./transport.ts";
import { TransportError } from "./transport-error.ts";

/** Codes with which a TPM asks for the same command again (TPM 2.0 Part 2, 6.6.3). Never a lockout or an authorization failure. */
const ASKS_AGAIN: ReadonlySet<number> = new Set([Rc.RETRY, Rc.TESTING, Rc.YIELDED]);
const RETRIES = 5;
const BACK_OFF: BackOff = { firstMs: 10, longestMs: 320 };
export const TIMEOUT_MS = 2000;
/** For connecting and taking over, in time-outs of one command: a TPM that is slow at each of many commands must not hold the queue. */
const CONNECT_TIMEOUTS = 4;

export interface DeviceOptions {
  readonly where: Where;
  /** For one command. */
  readonly timeoutMs?: number | undefined;
  /** Nothing that was loaded is there any more, or can be reached. Told at once, before the failed exchange rejects. */
  readonly onLost: (why: string) => void;
}

/** Not to be used by two at once: queue.ts. */
export class Device {
  readonly #where: Where;
  readonly #timeoutMs: number;
  readonly #onLost: (why: string) => void;
  #connection: Transport | undefined;
  /** Something of ours may be in the TPM that nobody knows the handle of. */
  #orphans = false;

  constructor({ where, timeoutMs = TIMEOUT_MS, onLost }: DeviceOptions) {
    this.#where = where;
    this.#timeoutMs = timeoutMs;
    this.#onLost = onLost;
  }

  /** @throws TransportError the connection is then given up */
  async exchange(command: Uint8Array): Promise<Uint8Array> {
    const connection = this.#connection ?? (await this.#connect());
    for (let attempt = 0; ; attempt++) {
      const response = await this.#once(connection, command);
      const code = codeOf(response);
      if (code === Rc.INITIALIZE) this.#drop(connection, "the TPM was reset");
      if (!ASKS_AGAIN.has(code) || attempt === RETRIES) return response;
      await sleep(backOffMs(BACK_OFF, attempt + 1));
      // The handles in the command were those of a connection that is gone.
      if (this.#connection !== connection)
        throw new TransportError("the connection ended between two attempts");
    }
  }

  /** The TPM answered something that cannot be: what is in it is not known any more. */
  abandon(why: string): void {
    if (this.#connection !== undefined) this.#drop(this.#connection, why);
  }

  /**
   * Takes out what is in the TPM and nobody's: a response that was garbled on its way may have named another handle than the TPM gave,
   * or hidden one. Through a resource manager that is not to be seen: it lists the sessions of its other clients too.
   * @returns whether there was something
   */
  async sweep(isOwned: (handle: number) => boolean): Promise<boolean> {
    const connection = this.#connection;
    if (connection === undefined || this.#where.managed) return false;
    return await this.#flushAll(connection, isOwned);
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  async close(): Promise<void> {
    if (this.#connection === undefined && this.#orphans && !this.#where.managed) {
      // The only chance to take away what a lost connection left.
      await this.#connect().catch(() => {});
    }
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close();
  }

  async #connect(): Promise<Transport> {
    const connection = await this.#open();
    try {
      if (!this.#where.managed) {
        await this.#inTime(this.#takeOver(connection), CONNECT_TIMEOUTS * this.#timeoutMs);
      }
    } catch (error) {
      // Whatever it was: a virtual TPM has one client, and nobody else would close this one.
      throw this.#failed(connection, error);
    }
    this.#connection = connection;
    return connection;
  }

  async #open(): Promise<Transport> {
    const given = new AbortController();
    let connection: Transport | undefined;
    const opening = this.#where.open(() => this.#drop(connection, "the connection ended"), given.signal);
    try {
      connection = await this.#inTime(opening);
      return connection;
    } catch (error) {
      given.abort();
      opening.then((late) => late.close()).catch(() => {});
      throw error;
    }
  }

  /** Without a resource manager the host is the only client: what is loaded was left by a connection before this one. */
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

  /** One command. An answer that cannot be read ends the connection, as no answer does. @throws TransportError */
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

  /** Gives the connection up. @returns what to throw */
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
