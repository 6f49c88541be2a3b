/**
 * Queries a TPM's features and state. It creates and flushes nothing: loaded objects may belong to another program. The kernel's resource
 * manager gives this connection a space of its own; a virtual TPM has one client, so it can be queried only while no host runs.
 */
import { within } from "../../lib/deadline.ts";
import {
  ALGORITHMS,
  ask,
  BANKS,
  type Bank,
  COMMAND_CODES,
  CURVES,
  isSupported,
  propertiesFrom,
  readPage,
  type TpmList,
  TpmRefusal,
  testAes128Cfb,
} from "./capabilities.ts";
import { TIMEOUT_MS } from "./device.ts";
import { startup } from "./host-commands.ts";
import { codeOf, faultOf, Rc } from "./response.ts";
import type { TpmEndpoint, Transport } from "./transport.ts";
import { TransportError } from "./transport-error.ts";

/** More than any TPM needs for a list; stops a list that never ends. */
const MAX_PAGES = 16;
const PT_FIXED = 0x100;
const PT_VAR = 0x200;

export interface TpmFacts {
  /** Command codes. */
  readonly commands: ReadonlySet<number>;
  readonly algorithms: ReadonlySet<number>;
  readonly curves: ReadonlySet<number>;
  /** Undefined: the TPM does not have TPM2_TestParms. */
  readonly aes128Cfb: boolean | undefined;
  readonly banks: readonly Bank[];
  /** By TPM_PT. */
  readonly properties: ReadonlyMap<number, number>;
}

/** The TPM accepted the connection or a command and did not answer in time. */
export class TpmTimeout extends TransportError {}

/**
 * Queries everything that `kleidi doctor` reports of a TPM.
 * @param timeoutMs for the connection and for each response, in milliseconds
 * @throws TpmTimeout, TpmRefusal, TransportError
 */
export async function examine(endpoint: TpmEndpoint, timeoutMs = TIMEOUT_MS): Promise<TpmFacts> {
  const connection = await openInTime(endpoint, timeoutMs);
  const exchange = (command: Uint8Array) => exchangeInTime(connection, command, timeoutMs);
  try {
    return await askAll(exchange, endpoint.managed);
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
    // A virtual TPM that was not started yet: the host would start it in the same way.
    await start(exchange);
    fixed = await properties(exchange, PT_FIXED);
  }
  return {
    properties: new Map([...fixed, ...(await properties(exchange, PT_VAR))]),
    commands: new Set(await list(exchange, COMMAND_CODES)),
    algorithms: new Set(await list(exchange, ALGORITHMS)),
    curves: new Set(await list(exchange, CURVES)),
    banks: await list(exchange, BANKS),
    aes128Cfb: isSupported(await exchange(testAes128Cfb())),
  };
}

async function properties(exchange: Exchange, first: number): Promise<[number, number][]> {
  return (await list(exchange, propertiesFrom(first))).map(({ tag, value }) => [tag, value]);
}

async function list<Entry>(exchange: Exchange, capability: TpmList<Entry>): Promise<Entry[]> {
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

async function openInTime(endpoint: TpmEndpoint, timeoutMs: number): Promise<Transport> {
  const given = new AbortController();
  const opening = endpoint.open(() => {}, given.signal);
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

/** Closing the connection rejects an exchange that is still running. */
function inTime<T>(work: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  return within(timeoutMs, work, () => new TpmTimeout(`${what} in ${timeoutMs} ms`));
}
