/** An admitted module in its sandbox, behind a gate that obeys scripts. */
import type { Gate } from "../host-call.ts";
import { Supervisor } from "../sandbox/supervisor.ts";
import type { Wall } from "../sandbox/wall/build.ts";
import { type Admitted, LIMITS } from "./admitted.ts";
import { recordIgnored, recordUsage, scripted } from "./call-script.ts";
import { HOST_CALLS } from "./scripted-host.ts";
import { PROVIDER } from "./subject.ts";

/** A call takes milliseconds; this is for a guest that loops, on a machine with other work. */
const DEADLINE_MS = 5_000;
export const PROCESS_BYTES = 1 << 30;
const MESSAGE_BYTES = 65_536;
export const PARALLEL = 16;
const QUEUE = 4_096;

export interface SandboxedOptions {
  readonly deadlineMs?: number | undefined;
  /** True: the gate gets the host calls of kleidi:crypto too. */
  readonly forwardsCrypto?: boolean;
  /** True: outcomes have what the call used. */
  readonly reportsUsage?: boolean;
  /** Milliseconds to the start of the second process. */
  readonly standbyDelayMs?: number;
}

/** @returns the module's supervisor; no process is started yet */
export function superviseModule(
  { runnable: { bytes, imports, memory } }: Pick<Admitted, "runnable">,
  wall: Wall,
  gate: Gate,
  {
    deadlineMs = DEADLINE_MS,
    forwardsCrypto = false,
    reportsUsage = false,
    standbyDelayMs,
  }: SandboxedOptions = {},
): Supervisor {
  return new Supervisor({
    provider: PROVIDER,
    module: bytes,
    imports,
    memory,
    memoryBytes: LIMITS.memoryBytes,
    processMemoryBytes: PROCESS_BYTES,
    isRoomy: true,
    wall,
    hostCalls: HOST_CALLS,
    inputBytes: MESSAGE_BYTES,
    outputBytes: MESSAGE_BYTES,
    deadlineMs,
    concurrentCalls: PARALLEL,
    queue: QUEUE,
    standby: false,
    gate: scripted(gate),
    forwardsCrypto,
    ...(standbyDelayMs !== undefined && { standbyDelayMs }),
    onUsage: reportsUsage ? recordUsage : undefined,
    onIgnored: recordIgnored,
    onStderr: () => {},
    onEnd: () => {},
    onQuarantine: () => {},
  });
}
