/** Measures the calls of modules in their sandboxes, against the KMS of a fixture. Modules take turns, so that they are compared on the same machine. */
import { KNOWN } from "../capabilities/registry.ts";
import { withLimits } from "../module/admission.ts";
import { examine } from "../module/examine.ts";
import type { Supervisor } from "../sandbox/supervisor.ts";
import type { Wall } from "../sandbox/wall/build.ts";
import { openWall } from "../sandbox/wall/choose.ts";
import { LIMITS } from "./admitted.ts";
import { rounded, type Spread, spreadOf } from "./figures.ts";
import type { Fixture } from "./fixture.ts";
import { NotGood } from "./not-good.ts";
import { type Outcome, outcomeText, TESTED, type TestedRpc } from "./outcome.ts";
import { cpuMs } from "./process-cpu.ts";
import { PROCESS_BYTES, superviseModule } from "./sandboxed.ts";
import { assertComplete, openScriptedHost } from "./scripted-host.ts";
import { PROVIDER, Subject } from "./subject.ts";
import type { TrialModule } from "./trial-host.ts";

/** The figures of an RPC. Times are in milliseconds, of single calls. */
export interface RpcFigures {
  readonly rpc: TestedRpc;
  /** From the request to the reply, the way to the process and back included. */
  readonly wall: Spread;
  /** In which the guest ran, kleidi:crypto included. */
  readonly guest: Spread;
  /** In which the host worked on host calls. */
  readonly host: Spread;
  /** CPU of the provider's process for a call, the creation of its instance included; absent if the kernel does not count it. */
  readonly cpu?: number | undefined;
  readonly hostCalls: number;
  readonly requestBytes: number;
  readonly replyBytes: number;
  readonly memoryBytes: number;
  readonly blockBytes: number;
}

export interface ModuleFigures {
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  /** Milliseconds to start the process, compile the module and create the first instance. */
  readonly start: number;
  /** Milliseconds to create an instance. */
  readonly instance: Spread;
  readonly rpcs: readonly RpcFigures[];
}

interface Sample {
  readonly wallMs: number;
  readonly outcome: Outcome<TestedRpc>;
  readonly requestBytes: number;
}

interface Contestant {
  readonly module: TrialModule;
  readonly supervisor: Supervisor;
  readonly subject: Subject;
  readonly start: number;
  readonly samples: Record<TestedRpc, Sample[]>;
  readonly cpu: Record<TestedRpc, (number | undefined)[]>;
}

const ROUNDS = 10;
/** The engine compiles what is called often once more, for speed. */
const WARM_UP = 50;
/** No second process of a provider, whose start would be measured too. */
const NEVER_MS = 2 ** 31 - 1;
/** A guest in Go takes 50 ms. */
const DEADLINE_MS = 30_000;

/**
 * @param calls of each RPC of each module
 * @param onRound is called after each round of all, with its number from 1
 * @throws NotGood if a call fails; FixtureError; KleidiError module-invalid, wall-missing
 */
export async function benchModules(
  modules: readonly TrialModule[],
  fixture: Fixture,
  calls: number,
  onRound: (round: number, rounds: number) => void = () => {},
): Promise<ModuleFigures[]> {
  const wall = await openWall({ wall: "auto" }, PROCESS_BYTES);
  const contestants: Contestant[] = [];
  try {
    for (const module of modules) contestants.push(await begin(module, fixture, wall));
    const each = Math.ceil(calls / ROUNDS);
    for (const contestant of contestants) await measure(contestant, Math.min(WARM_UP, calls), false);
    for (let round = 1; round <= ROUNDS; round++) {
      for (const contestant of contestants) await measure(contestant, each, true);
      onRound(round, ROUNDS);
    }
    return contestants.map(figuresOf);
  } finally {
    await Promise.all(contestants.map(({ supervisor }) => supervisor.stop()));
  }
}

async function begin(module: TrialModule, fixture: Fixture, wall: Wall): Promise<Contestant> {
  const examined = examine(PROVIDER, module.bytes, KNOWN);
  const runnable = withLimits({ name: PROVIDER, limits: LIMITS }, module.bytes, examined.module);
  assertComplete(examined.manifest, fixture);
  const { gate } = await openScriptedHost(PROVIDER, examined.manifest, fixture);
  const options = { deadlineMs: DEADLINE_MS, reportsUsage: true, standbyDelayMs: NEVER_MS };
  const supervisor = superviseModule({ runnable }, wall, gate, options);
  const begun = performance.now();
  try {
    await supervisor.start();
  } catch (error) {
    await supervisor.stop();
    throw error;
  }
  const start = rounded(performance.now() - begun);
  const { key, settings, others, binds } = fixture;
  const subject = new Subject({
    ...{ supervisor, provider: PROVIDER, key: { key, settings }, others, binds },
    ...{ variants: 1, parallel: 1 },
  });
  const samples = { status: [], encrypt: [], decrypt: [] };
  return { module, supervisor, subject, start, samples, cpu: { status: [], encrypt: [], decrypt: [] } };
}

async function measure(
  { subject, supervisor, samples, cpu }: Contestant,
  calls: number,
  counts: boolean,
): Promise<void> {
  for (const rpc of TESTED) {
    const request = await subject.request(rpc);
    const [pid = 0] = supervisor.pids;
    const before = cpuMs(pid);
    for (let call = 0; call < calls; call++) {
      const begun = performance.now();
      const outcome = await subject.call(rpc, request);
      const wallMs = performance.now() - begun;
      if (outcome.kind !== "reply") throw new NotGood(`${rpc} gave ${outcomeText(outcome)}`);
      if (counts) samples[rpc].push({ wallMs, outcome, requestBytes: request.length });
    }
    const after = cpuMs(pid);
    if (counts) cpu[rpc].push(before === undefined || after === undefined ? undefined : after - before);
  }
}

function figuresOf({ module, start, samples, cpu }: Contestant): ModuleFigures {
  const all = TESTED.flatMap((rpc) => samples[rpc]);
  return {
    path: module.path,
    sha256: module.sha256,
    size: module.bytes.length,
    start,
    instance: spreadOf(all.flatMap(({ outcome: { usage } }) => (usage ? [usage.createdMs] : []))),
    rpcs: TESTED.map((rpc) => rpcFigures(rpc, samples[rpc], cpu[rpc])),
  };
}

function rpcFigures(
  rpc: TestedRpc,
  samples: readonly Sample[],
  cpu: readonly (number | undefined)[],
): RpcFigures {
  const spread = (value: (sample: Sample) => number) => spreadOf(samples.map(value));
  const most = (value: (sample: Sample) => number) => Math.max(...samples.map(value));
  const known = cpu.filter((each) => each !== undefined);
  return {
    rpc,
    wall: spread(({ wallMs }) => wallMs),
    guest: spread(({ outcome }) => outcome.usage?.ranMs ?? 0),
    host: spread(({ outcome }) => outcome.made.reduce((sum, { ms }) => sum + ms, 0)),
    cpu:
      known.length === 0 ? undefined : rounded(known.reduce((sum, each) => sum + each, 0) / samples.length),
    hostCalls: most(({ outcome }) => outcome.made.length),
    requestBytes: most(({ requestBytes }) => requestBytes),
    replyBytes: most(({ outcome }) => outcome.output?.length ?? 0),
    memoryBytes: most(({ outcome }) => outcome.usage?.memoryBytes ?? 0),
    blockBytes: most(({ outcome }) => outcome.usage?.blockBytes ?? 0),
  };
}
