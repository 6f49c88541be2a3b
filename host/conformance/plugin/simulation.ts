/** Checks with API servers: their start, an hour of polls, a restart with many seeds, a key that changes, a plugin that restarts. */
import { setTimeout } from "node:timers/promises";
import { runCommand } from "../command.ts";
import { NotGood } from "../not-good.ts";
import type { Findings } from "../verdict.ts";
import { ApiServer, MINUTE_MS } from "./api-server.ts";
import { CLAUSES, type PluginCheck } from "./check.ts";
import { Plugin, type Stored } from "./plugin.ts";

export interface SimulationOptions {
  /** Milliseconds between two calls of Status, which stand for a minute. */
  readonly pollMs: number;
  /** Calls of Status. */
  readonly polls: number;
  /** Distinct seeds in etcd at a restart. */
  readonly seeds: number;
  /** A command that makes another key the plugin's. */
  readonly rotate?: string | undefined;
  /** A command that restarts the plugin. */
  readonly restart?: string | undefined;
  /** Milliseconds in which a command has its effect; by default a minute. */
  readonly patienceMs?: number;
}

const DAY_MS = 24 * 60 * MINUTE_MS;
const WRITES = 100;
const API_SERVERS = 3;
const PATIENCE_MS = 60_000;
const LEAST_PAUSE_MS = 20;
const STEADY_POLLS = 10;

type Object = Stored & { readonly seed: Uint8Array };

export function simulationChecks(options: SimulationOptions): PluginCheck[] {
  const { rotate, restart } = options;
  const check = (name: string, run: PluginCheck["run"]): PluginCheck => ({
    name,
    group: "api-server",
    clause: CLAUSES.server,
    run,
  });
  return [
    check("api_server_starts", onServer(starts)),
    check("api_server_polls_status_each_minute", onServer(polls(options))),
    check("api_server_reads_its_writes_for_two_days", onServer(readsLater)),
    check("api_server_restarts_with_many_seeds", (plugin) => restarts(plugin, options.seeds)),
    check("three_api_servers_read_at_once", (plugin) => readAtOnce(plugin, options.seeds)),
    check("key_id_changes", (plugin) =>
      rotate === undefined ? noCommand("--rotate") : keyChanges(plugin, rotate, options),
    ),
    check("plugin_restarts", (plugin) =>
      restart === undefined ? noCommand("--restart") : pluginRestarts(plugin, restart, options),
    ),
  ];
}

async function noCommand(option: string): Promise<Findings> {
  return { skipped: `${option} gives no command` };
}

/** A new API server has a connection of its own, on which Status comes first. */
async function withServer<T>({ options }: Plugin, work: (server: ApiServer) => Promise<T>): Promise<T> {
  const plugin = new Plugin(options);
  try {
    const server = new ApiServer(plugin);
    await server.poll();
    return await work(server);
  } finally {
    plugin.close();
  }
}

function onServer(run: (server: ApiServer) => Promise<Findings>): PluginCheck["run"] {
  return (plugin) => withServer(plugin, run);
}

async function starts(server: ApiServer): Promise<Findings> {
  return await faultsOfReads(server, [server.write()], "after the start");
}

function polls(options: SimulationOptions): (server: ApiServer) => Promise<Findings> {
  return async (server) => {
    const changed = await changeOfKey(server, options);
    if (changed !== undefined) return [changed];
    const { encrypt } = server.calls;
    return encrypt === 1 ? [] : [`the API server encrypted ${encrypt} seeds under one key_id`];
  };
}

/** @returns the fault if Status names another key_id, or the plugin counts as unhealthy */
async function changeOfKey(
  server: ApiServer,
  { polls: count, pollMs }: Pick<SimulationOptions, "polls" | "pollMs">,
): Promise<string | undefined> {
  const first = server.keyId;
  for (let poll = 1; poll <= count; poll++) {
    await setTimeout(pollMs);
    server.advance(MINUTE_MS);
    const fault = await faultOf(() => server.poll());
    if (fault !== undefined) return `at poll ${poll}, ${fault}`;
    if (server.keyId !== first) return `Status gave another key_id at poll ${poll}, without a rotation`;
  }
  return undefined;
}

/** The seeds that it made are in its cache for a day; then it asks the plugin. */
async function readsLater(server: ApiServer): Promise<Findings> {
  const objects = Array.from({ length: WRITES }, () => server.write());
  const faults = await faultsOfReads(server, objects, "at once");
  server.advance(2 * DAY_MS);
  await server.poll();
  return [...faults, ...(await faultsOfReads(server, objects, "after two days"))];
}

/** Distinct seeds come from starts of API servers: each start makes one. */
async function objectsOf(plugin: Plugin, count: number): Promise<Object[]> {
  return await Promise.all(
    Array.from({ length: count }, async () => {
      const server = new ApiServer(plugin);
      await server.poll();
      return server.write();
    }),
  );
}

/** It decrypts each seed of etcd, one after the other, before it is ready. */
async function restarts(plugin: Plugin, seeds: number): Promise<Findings> {
  const objects = await objectsOf(plugin, seeds);
  return await withServer(plugin, (server) => faultsOfReads(server, objects, "after a restart"));
}

async function readAtOnce(plugin: Plugin, seeds: number): Promise<Findings> {
  const objects = await objectsOf(plugin, Math.min(seeds, WRITES));
  const servers = Array.from({ length: API_SERVERS }, () =>
    withServer(plugin, (server) => faultsOfReads(server, objects, "beside two other API servers")),
  );
  return (await Promise.all(servers)).flat();
}

/** The plugin names the new key in Status, encrypts under it from then on, and decrypts what is older. */
async function keyChanges(plugin: Plugin, rotate: string, options: SimulationOptions): Promise<Findings> {
  const old = await objectsOf(plugin, options.seeds);
  return await withServer(plugin, async (server) => {
    const before = server.keyId;
    await runCommand(rotate);
    const late = await untilGood(options, async () => {
      await server.poll();
      if (server.keyId === before) throw new NotGood("Status gives the same key_id");
    });
    if (late !== undefined) return [`after the rotation, ${late}`];
    const own = await faultsOfReads(server, [server.write(), ...old], "after the rotation");
    const flipped = await changeOfKey(server, { ...options, polls: STEADY_POLLS });
    const restarted = await withServer(plugin, (next) =>
      faultsOfReads(next, [server.write(), ...old], "after the rotation and a restart of the API server"),
    );
    return [...own, ...(flipped === undefined ? [] : [`after the rotation, ${flipped}`]), ...restarted];
  });
}

/** @returns the fault; undefined if the work succeeds */
async function faultOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof NotGood) return error.message;
    throw error;
  }
}

/** Calls fail until the plugin serves again; then its key_id is the same, and what is older opens. */
async function pluginRestarts(
  plugin: Plugin,
  restart: string,
  options: SimulationOptions,
): Promise<Findings> {
  const objects = await objectsOf(plugin, options.seeds);
  const before = (await plugin.status()).keyId;
  await runCommand(restart);
  const late = await untilGood(options, () => plugin.status());
  if (late !== undefined) return [`after the restart of the plugin, ${late}`];
  const { keyId } = await plugin.status();
  const changed = keyId === before ? [] : ["Status gives another key_id after the restart of the plugin"];
  const reads = await withServer(plugin, (server) =>
    faultsOfReads(server, objects, "after the restart of the plugin"),
  );
  return [...changed, ...reads];
}

/** Tries until it succeeds. @returns the last fault, if it still fails when the time is over */
async function untilGood(
  { pollMs, patienceMs = PATIENCE_MS }: SimulationOptions,
  work: () => Promise<unknown>,
): Promise<string | undefined> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const fault = await faultOf(work);
    if (fault === undefined || performance.now() > end) return fault;
    await setTimeout(Math.max(pollMs, LEAST_PAUSE_MS));
  }
}

/** Reads in order. @returns a fault for each object whose seed is another one, or cannot be had */
async function faultsOfReads(server: ApiServer, objects: readonly Object[], when: string): Promise<string[]> {
  const faults: string[] = [];
  for (const { seed, ...stored } of objects) {
    try {
      const read = await server.read(stored);
      if (Buffer.compare(read, seed) !== 0) faults.push(`${when}, a read gave another seed`);
    } catch (error) {
      if (!(error instanceof NotGood)) throw error;
      faults.push(`${when}, ${error.message}`);
    }
  }
  return faults;
}
