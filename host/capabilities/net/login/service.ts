/** Services that issue credentials. Each answer is distrusted: no message quotes it. */
import {
  type Connect,
  type Connection,
  CredentialRefused,
  type Request,
  type Response,
  Unreachable,
} from "../exchange.ts";
import type { Clock } from "./clock.ts";
import { type Pointer, valueAt } from "./pointer.ts";
import { timedRequest } from "./timed-request.ts";

const MAX_BYTES = 32 * 1024;
/** For one request. A caller with less time leaves; the next one gets the result. */
const LIMIT_MS = 5000;

export interface Service {
  readonly connection: Connection;
  readonly clock: Clock;
}

/** The services that one credential asks. Connects to none before its first request. */
export class Services {
  readonly #connect: Connect;
  readonly #clock: Clock;
  readonly #open: Connection[] = [];

  constructor(connect: Connect, clock: Clock) {
    this.#connect = connect;
    this.#clock = clock;
  }

  /** @param networks the only private networks that it may be in; absent: those of the grant */
  at(origin: string, networks?: readonly string[]): Service {
    const connection = this.#connect(origin, networks);
    this.#open.push(connection);
    return { connection, clock: this.#clock };
  }

  /** A service of the machine itself: its address is the only network. */
  ofMachine(endpoint: string): Service {
    const { origin, hostname } = new URL(endpoint);
    const address = hostname.replace(/^\[(.*)\]$/, "$1");
    return this.at(origin, [`${address}/${address.includes(":") ? 128 : 32}`]);
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.map((connection) => connection.close()));
  }
}

/**
 * Sends a request.
 * @param what names it in an error message: "the keys of the role at GET …"
 * @throws Unreachable no answer, or too large a one
 */
export async function ask(
  { connection, clock }: Service,
  what: string,
  request: Request,
  limitMs = LIMIT_MS,
): Promise<Response> {
  const answer = await timedRequest({ send: connection.send, clock }, what, request, limitMs);
  if (answer.body.length > MAX_BYTES)
    throw new Unreachable(`${what} returned ${answer.body.length} bytes, at most ${MAX_BYTES} are allowed`);
  return answer;
}

/** @throws Unreachable the body is not JSON. Without a cause, which would quote it. */
export function documentOf(what: string, { body }: Response): unknown {
  try {
    return JSON.parse(textOf(body));
  } catch {
    throw new Unreachable(`${what} did not return JSON: is it the right service?`);
  }
}

export function textOf(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString();
}

/** The code of an error; "" if there is none that a message may quote. */
export function errorCodeIn({ body }: Response, ...pointers: readonly Pointer[]): string {
  try {
    const document: unknown = JSON.parse(textOf(body));
    const codes = pointers.map((pointer) => valueAt(document, pointer));
    const code = codes.find((each) => typeof each === "string");
    return typeof code === "string" && /^[A-Za-z_.]{1,64}$/.test(code) ? code : "";
  } catch {
    return "";
  }
}

/** The time of an answer by its server, in milliseconds; undefined if it has none. */
export function dateIn(headers: Response["headers"]): number | undefined {
  const at = Date.parse(headers.date ?? "");
  return Number.isNaN(at) ? undefined : at;
}

/** A smaller difference is not the reason of a refusal. */
const LEAST_DRIFT_MS = 60_000;

/** The remedy for a clock that differs from the server's; undefined if it does not. */
export function driftIn({ headers }: Response, date: number): string | undefined {
  const drift = date - (dateIn(headers) ?? date);
  if (Math.abs(drift) < LEAST_DRIFT_MS) return undefined;
  return `the clock of this machine is ${Math.round(Math.abs(drift) / 1000)} s ${drift > 0 ? "ahead of" : "behind"} that of the server: set it (timedatectl set-ntp true)`;
}

/** The error for a status that is not 2xx. @param remedy the advice for a refusal */
export function refusedBy(what: string, status: number, code: string, remedy: string): Unreachable {
  const why = code === "" ? String(status) : `${status}, ${code}`;
  if (status >= 500 || status === 429 || /Throttl|IDPCommunication/.test(code))
    return new Unreachable(`${what} failed (${why}): the service is overloaded or out of order`);
  return new CredentialRefused(`${what} was refused (${why}): ${remedy}`);
}
