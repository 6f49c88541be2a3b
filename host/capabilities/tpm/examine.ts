/**
 * Asks a TPM what it can do and how it is. Nothing is made in it and nothing flushed: what is there may be another program's. The kernel's
 * resource manager gives this connection a space of its own; a virtual TPM has one client, so it can be asked only while no host runs.
 */
import { within } from "../../lib/deadline.ts";
import {
  ALGORITHMS,
  ask,
  BANKS,
  type Bank,
  type Capability,
  COMMAND_CODES,
  CURVES,
  passes,
  propertiesFrom,
  readPage,
  TpmRefusal,
  testAes128Cfb,
} from "./capabilities.ts";
import { TIMEOUT_MS } from "./device.ts";
import { startup } from "./housekeeping.ts";
import { codeOf, faultOf, Rc } from "./response.ts";
import type { Transport, Where } from "./transport.ts";
import { TransportError } from "./transport-error.ts";

/** Enough for every list of a TPM, and not for one that never ends. */
const MAX_PAGES = 16;
const PT_FIXED = 0x100;
const PT_VAR = 0x200;

export interface TpmFacts {
  /** Command codes. */
  readonly commands: ReadonlySet<number>;
  readonly algorithms: ReadonlySet<number>;
  readonly curves: ReadonlySet<number>;
  /** Undefined: it could not be asked. */
  readonly aes128Cfb: boolean | undefined;
  readonly banks: readonly Bank[];
  /** By TPM_PT. */
  readonly properties: ReadonlyMap<number, number>;
}

/** It took the connection and did not answer, in time or at all. */
export class TpmSilent extends TransportError {}

/**
 * @param timeoutMs for the connection, and for each answer
 * @throws TpmSilent, TpmRefusal, TransportError
 */
export async function examine(where: Where, timeoutMs = TIMEOUT_MS): Promise<TpmFacts> {
  const connection = await openInTime(where, timeoutMs);
  const exchange = (command: Uint8Array) => exchangeInTime(connection, command, timeoutMs);
  try {
    return await askAll(exchange, where.managed);
  } finally {
    connection.close();
  }
}

type Exchange = (command: Uint8Array) => Promise<Uint8Array>;

async function askAll(exchange: Exchange, managed: boolean): Promise<TpmFacts> {
  let fixed: Awaited<ReturnType<typeof properties>>;
  try {
    fixed = await properties(exchange, PT_FIXED);
  } catch (error) {
    if (managed || !(error instanceof TpmRefusal) || error.rc !== Rc.INITIALIZE) throw error;
    // A virtual TPM that nobody has started yet: the host would start it in the same way.
    await start(exchange);
    fixed = await properties(exchange, PT_FIXED);
  }
  return {
    properties: new Map([...fixed, ...(await properties(exchange, PT_VAR))]),
    commands: new Set(await list(exchange, COMMAND_CODES)),
    algorithms: new Set(await list(exchange, ALGORITHMS)),
    curves: new Set(await list(exchange, CURVES)),
    banks: await list(exchange, BANKS),
    aes128Cfb: passes(await exchange(testAes128Cfb())),
  };
}

async function properties(exchange: Exchange, first: number): Promise<[number, number][]> {
  return (await list(exchange, propertiesFrom(first))).map(({ tag, value }) => [tag, value]);
}

async function list<Entry>(exchange: Exchange, capability: Capability<Entry>): Promise<Entry[]> {
  const all: Entry[] = [];
  let first = capability.first;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const { entries, next } = readPage(capability, first, await exchange(ask(capability, first)));
    all.push(...entries);
    if (next === undefined) return all;
    first = next;
  }
  throw new TransportError(`GetCapability(${capability.name}) did not end after ${MAX_PAGES} answers`);
}

async function start(exchange: Exchange): Promise<void> {
  const response = await exchange(startup());
  const fault = faultOf(response);
  if (fault !== undefined) throw new TransportError(fault);
  if (codeOf(response) !== 0) throw new TpmRefusal("Startup", codeOf(response));
}

async function openInTime(where: Where, timeoutMs: number): Promise<Transport> {
  const given = new AbortController();
  const opening = where.open(() => {}, given.signal);
  try {
    return await inTime(opening, timeoutMs, "it did not take the connection");
  } catch (error) {
    given.abort();
    opening.then((late) => late.close()).catch(() => {});
    throw error;
  }
}

function exchangeInTime(connection: Transport, command: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
  return inTime(connection.exchange(command), timeoutMs, "it took a command and did not answer");
}

/** Closing the connection rejects what is still in the air. */
function inTime<T>(work: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  return within(timeoutMs, work, () => new TpmSilent(`${what} in ${timeoutMs} ms`));
}
