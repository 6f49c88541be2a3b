/**
 * All providers share the open files of the host's process, and a provider whose server does not answer keeps all its connections open. So
 * the limit of the process must suffice for what all providers may hold at once.
 */
import { CAPABILITIES } from "../capabilities/registry.ts";
import type { Config } from "../config/config.ts";
import type { Finding } from "../finding.ts";
import { LIMITS } from "../grpc/limits.ts";
import { FileFault, readRegular } from "../lib/files.ts";
import { ADMIN_LIMITS } from "../telemetry/admin-connections.ts";
import { grantsOf } from "./grants.ts";

/** Sockets of callers and of the admin listener, the waiting ones included. */
const CALLERS = LIMITS.connections + LIMITS.waiting + ADMIN_LIMITS.connections + ADMIN_LIMITS.waiting;
/** Files, pipes and timers of the host itself, and files that are open for a moment. */
const OWN = 64;
/** At most two processes and a replacement, each with two pipes, and files of its capabilities. */
const PROVIDER = 8;

/** The number of files that a host with this configuration may hold open at once. */
export function descriptorsOf(config: Config): number {
  const held = CAPABILITIES.flatMap((capability) =>
    [...grantsOf(config, capability).grants.values()].map((grant) => capability.descriptors?.(grant) ?? 0),
  );
  return held.reduce((sum, each) => sum + each, CALLERS + OWN + PROVIDER * config.providers.length);
}

/** @returns nothing if the limit suffices or is unknown */
export function descriptorFindings(config: Config, limit = openFileLimit()): Finding[] {
  const needed = descriptorsOf(config);
  if (limit === undefined || needed <= limit) return [];
  return [
    {
      subject: "open files",
      ok: false,
      detail: `this process may have ${limit} files open, and the providers may need ${needed} at once: one could take another's`,
      hint: `Raise the limit (in a unit: LimitNOFILE=${needed}), or lower grants.net.limits.connections.`,
    },
  ];
}

/** The hard limit: Node raises its soft limit to it at the start. */
function openFileLimit(): number | undefined {
  const limits = readRegular("/proc/self/limits", 16_384);
  if (limits instanceof FileFault) return undefined;
  const [, hard] = /^Max open files +\S+ +(\d+) /m.exec(limits.toString("latin1")) ?? [];
  return hard === undefined ? undefined : Number(hard);
}
