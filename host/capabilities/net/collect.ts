/**
 * Sends one request through undici and collects its answer. undici's own request() makes a stream of every answer, which costs as much as
 * the rest of a request; the answers of a KMS are small, and a guest gets them whole.
 */
import type { Dispatcher } from "undici";
import symbols from "undici/lib/core/symbols.js";
import { type Response, Unreachable } from "./exchange.ts";

/** undici has no other way to take a request that waits for a connection out of its queue (docs/decisions/0039-queue-of-undici.md). */
const { kQueuedAbort } = symbols;
if (typeof kQueuedAbort !== "symbol") throw new Error("undici does not expose its hook for queued requests");

type Options = Pick<Dispatcher.DispatchOptions, "method" | "path" | "headers" | "body">;
type Controller = Dispatcher.DispatchController;
type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler["onResponseStart"]>>[2];

interface Expected {
  /** @returns the fault of an answer's head, as the end of a sentence; undefined if there is none */
  readonly faultOf: (status: number, headers: Headers) => string | undefined;
  readonly responseBytes: number;
  /** The server, as the beginning of a sentence. */
  readonly where: string;
}

export interface Collected extends Pick<Response, "status" | "body"> {
  readonly headers: Headers;
}

/** The answer broke off. The server has read the request, so it must not be sent again. */
export class BrokenOff extends Error {
  readonly why: unknown;

  constructor(why: unknown) {
    super("the answer broke off");
    this.why = why;
  }
}

/**
 * @param signal ends the request, also while it waits for a connection: then it is never sent
 * @throws Unreachable for an answer that is not the expected one; BrokenOff; the reason of the signal; the error of undici
 */
export function sendCollected(
  pool: Dispatcher,
  options: Options,
  expected: Expected,
  signal: AbortSignal,
): Promise<Collected> {
  return new Promise((resolve, reject) => {
    const collector = new Collector(expected, (error, answer) => {
      signal.removeEventListener("abort", abort);
      if (answer === undefined) reject(error);
      else resolve(answer);
    });
    const abort = () => collector.abort(signal.reason);
    signal.throwIfAborted();
    signal.addEventListener("abort", abort, { once: true });
    const queued = { [kQueuedAbort]: (cancel: (reason: Error) => void) => collector.queued(cancel) };
    pool.dispatch({ ...options, ...queued }, collector);
  });
}

type Settle = (error: unknown, answer?: Collected) => void;

class Collector implements Dispatcher.DispatchHandler {
  readonly #expected: Expected;
  readonly #settle: Settle;
  readonly #parts: Buffer[] = [];
  #length = 0;
  #head: Omit<Collected, "body"> | undefined;
  /** Ends the request: in the queue, or on its connection. */
  #end: (reason: Error) => void = () => {};
  #aborted: Error | undefined;

  constructor(expected: Expected, settle: Settle) {
    this.#expected = expected;
    this.#settle = settle;
  }

  abort(reason: Error): void {
    this.#aborted = reason;
    this.#end(reason);
    this.onResponseError(null, reason);
  }

  queued(cancel: (reason: Error) => void): void {
    this.#end = cancel;
  }

  onRequestStart(controller: Controller): void {
    this.#end = (reason) => controller.abort(reason);
    if (this.#aborted !== undefined) controller.abort(this.#aborted);
  }

  onResponseStart(controller: Controller, status: number, headers: Headers): void {
    // An informational answer: the one to the request follows.
    if (status < 200) return;
    this.#head = { status, headers };
    const fault = this.#expected.faultOf(status, headers);
    if (fault !== undefined) this.#refuse(controller, fault);
  }

  onResponseData(controller: Controller, part: Buffer): void {
    const { responseBytes } = this.#expected;
    this.#length += part.length;
    if (this.#length > responseBytes)
      this.#refuse(controller, `answers with more than ${responseBytes} bytes`);
    else this.#parts.push(part);
  }

  onResponseEnd(): void {
    const [first = Buffer.alloc(0)] = this.#parts;
    const body = this.#parts.length > 1 ? Buffer.concat(this.#parts) : first;
    if (this.#head !== undefined) this.#settle(undefined, { ...this.#head, body });
  }

  onResponseError(_: unknown, error: Error): void {
    const isAnswerLost = this.#head !== undefined && !(error instanceof Unreachable);
    this.#settle(isAnswerLost ? new BrokenOff(error) : error);
  }

  #refuse(controller: Controller, fault: string): void {
    controller.abort(new Unreachable(`${this.#expected.where} ${fault}`));
  }
}
