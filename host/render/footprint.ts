/** Everything that a host uses on its machine: the resources of its capabilities, and those that every host needs. */
import { dirname } from "node:path";
import type { Footprint as Used } from "../capabilities/capability.ts";
import type { Config } from "../config/config.ts";
import { hasStandby, type Standby } from "../config/standby.ts";

export type Footprint = Required<Used>;

/**
 * @param used the footprints of the capabilities
 * @returns each list sorted, without duplicates
 */
export function footprintOf(config: Config, used: readonly Used[]): Footprint {
  const all = [hostFootprint(config), ...used];
  const list = (key: keyof Used) => [...new Set(all.flatMap((each) => each[key] ?? []))].sort();
  return { reads: list("reads"), writes: list("writes"), devices: list("devices"), servers: list("servers") };
}

function hostFootprint({ file, providers, audit, log }: Config): Used {
  const written = [audit?.file, log.file].filter((path) => path !== undefined);
  const key = audit?.checkpoints?.key;
  return {
    reads: [
      file,
      ...providers.flatMap(({ module, signatures }) => [module, ...(signatures ?? [])]),
      ...(key === undefined ? [] : [key]),
    ],
    writes: written.map((path) => dirname(path)),
  };
}

export interface SocketFolder {
  readonly folder: string;
  /** The group of the socket in the folder, which must be able to enter it; undefined: kleidí's own group. */
  readonly group?: string | number | undefined;
}

/** The folders of the host's sockets. If one folder has both sockets, the group of the API server's socket can enter it. */
export function socketFolders({ listen, admin }: Config): SocketFolder[] {
  const sockets = [listen, ...(admin !== undefined && "socket" in admin ? [admin] : [])];
  const folders = new Map<string, SocketFolder>();
  for (const { socket, group } of sockets.toReversed())
    folders.set(dirname(socket), { folder: dirname(socket), group });
  return [...folders.values()].toReversed();
}

/** The memory limit of the host and the processes of each provider together, in MiB. */
export function memoryMiB({ providers }: Config): number {
  const processes = (standby: Standby) =>
    hasStandby(standby, providers.length, Number.POSITIVE_INFINITY) ? 2 : 1;
  const guests = providers.reduce(
    (sum, { limits }) => sum + processes(limits.standby) * limits.processMemoryBytes,
    0,
  );
  return Math.ceil(guests / 1_048_576) + HOST_MIB;
}

/** Memory of the host: its heap, up to 256 MiB of callers' data, and Node. */
const HOST_MIB = 768;
const TASKS_OF_HOST = 64;
/** Threads of each provider: at most two processes and one replacement, about 12 threads each. */
const TASKS_OF_PROVIDER = 48;

/** The limit of the threads of the host and of all providers. */
export function tasks({ providers }: Config): number {
  return TASKS_OF_HOST + TASKS_OF_PROVIDER * providers.length;
}
