/** What a serving host counts and records of itself, and where it learns it from: the hooks of assembly, prober and server. */

import type { CredentialEvent } from "../capabilities/capability.ts";
import type { Decision } from "../capabilities/gate.ts";
import { CAPABILITIES } from "../capabilities/registry.ts";
import type { Config } from "../config/config.ts";
import type { Interceptor } from "../grpc/interceptor.ts";
import type { Gate } from "../host-call.ts";
import type { KeyChange, ProberOptions } from "../kms/prober.ts";
import type { WallName } from "../sandbox/wall/wall.ts";
import { keyIdHash } from "../telemetry/log.ts";
import type { AuditSample, KeySample, Metrics, ProviderSample, SocketSample } from "../telemetry/metrics.ts";
import { RpcClock } from "../telemetry/overhead.ts";
import { Recorder } from "../telemetry/recorder.ts";
import type { AssembleOptions, Host } from "./assemble.ts";

/** Host calls of these wait for a TPM or a KMS: the time is not the host's own. */
const WAITING: ReadonlySet<string> = new Set(
  CAPABILITIES.filter(({ waits }) => waits).map(({ name }) => name),
);

export interface Watch {
  readonly version: string;
  readonly wall: WallName;
  readonly metrics: Metrics;
  readonly recorder: Recorder;
  readonly assembly: AssembleOptions;
  /** Why the host is not ready; undefined: it is. */
  readonly unready: () => string | undefined;
  readonly onProbe: NonNullable<ProberOptions["onProbe"]>;
  onChange(change: KeyChange): void;
  readonly intercept: Interceptor;
}

export interface Watched {
  /** The wall around providers' processes. */
  readonly wall: WallName;
  readonly host: () => Host;
  /** Why the host is not ready; undefined: it is. */
  readonly unready: () => string | undefined;
  /** Absent: there is no audit log. */
  readonly audit?: (() => AuditSample) | undefined;
  readonly socket?: (() => SocketSample) | undefined;
}

/** Prometheus' client is loaded only where it is configured: it is 10 MB of the process. */
export async function startWatch(config: Config, version: string, watched: Watched): Promise<Watch> {
  const { Metrics } = await import("../telemetry/metrics.ts");
  const recorder = new Recorder();
  const clock = new RpcClock();
  const versions = new Map<string, string>();
  const credentials = new Map<string, string>();
  const metrics = new Metrics({
    version,
    wall: watched.wall,
    intervalMs: config.status.intervalMs,
    providers: config.providers.map(({ name, sha256, limits, grants }) => ({
      name,
      sha256,
      inFlightLimit: limits.concurrentCalls,
      waitingLimit: limits.queue,
      credential: grants.net?.credential !== undefined,
    })),
    // The others are computed in the provider's process.
    capabilities: CAPABILITIES.filter(({ open }) => open !== undefined).map(({ name }) => name),
    keys: config.keys.map(({ name }) => name),
    ready: () => watched.unready() === undefined,
    providerSamples: () => providerSamples(watched.host()),
    keySamples: () => keySamples(watched.host(), recorder),
    audit: watched.audit,
    socket: watched.socket,
  });
  const onCredential = (event: CredentialEvent) => {
    metrics.credential(event);
    const { provider, event: what, why } = event;
    const good = what !== "refused" && what !== "failed";
    // Renewals are routine: only what is another state than before is history. Nor is it that a token is refused between two logins that
    // fail: both come again with each try, and would push everything else out.
    const before = credentials.get(provider);
    const state = good ? "good" : `${what} ${why}`;
    if (before === state || (what === "refused" && before?.startsWith("failed"))) return;
    credentials.set(provider, state);
    recorder.changed(`credential of ${provider}`, good, why === undefined ? what : `${what}: ${why}`);
  };
  return {
    version,
    wall: watched.wall,
    metrics,
    recorder,
    unready: watched.unready,
    assembly: {
      onHostCall(decision) {
        metrics.hostCall(decision.call.provider, decision.call.capability, decision.verdict);
        recorder.hostCall(noteOf(decision));
      },
      onPerformed: ({ call }, { ms }) => metrics.hostCallDone(call.provider, call.capability, ms),
      onQuarantine: (provider, { reason }) =>
        recorder.changed(`provider ${provider}`, false, `it is in quarantine, ${reason}`),
      aroundGate: (gate) => timed(gate, clock),
      onCredential,
    },
    onProbe(key, result) {
      metrics.probe(key.name, result);
      recorder.probe(key.name, result);
    },
    onChange({ key, keyId, failure }) {
      const what = `key ${key.name}`;
      if (failure !== undefined) return recorder.changed(what, false, `${failure.code}: ${failure.message}`);
      if (keyId === undefined) return;
      const before = versions.get(key.name);
      versions.set(key.name, keyId);
      const another = before !== undefined && before !== keyId;
      if (another) metrics.versionChanged(key.name);
      const how = another ? "it is ready, in another version" : "it is ready";
      recorder.changed(what, true, `${how}: key_id sha256 ${keyIdHash(keyId)}`);
    },
    intercept: ({ rpc }, next) =>
      clock.run(async () => {
        const reply = await next();
        metrics.rpc(rpc, reply.failure?.code ?? "ok", reply.ms, clock.waitedMs());
        return reply;
      }),
  };
}

function timed(gate: Gate, clock: RpcClock): Gate {
  return (call) => (WAITING.has(call.capability) ? clock.waiting(() => gate(call)) : gate(call));
}

function noteOf({ call, verdict, why, target }: Decision) {
  const { provider, rpc, capability, operation } = call;
  return { provider, rpc, capability, operation, verdict, why, target };
}

function providerSamples({ supervisors }: Host): ProviderSample[] {
  return [...supervisors].map(([name, supervisor]) => ({ name, ...supervisor.state() }));
}

function keySamples({ keyset }: Host, recorder: Recorder): KeySample[] {
  return keyset.states().map(({ key, current, failure }) => ({
    name: key.name,
    provider: key.provider.name,
    use: key.use,
    ready: current !== undefined && failure === undefined,
    keyIdSha256: current && keyIdHash(current.keyId),
    goodAgeMs: recorder.lastProbe(key.name)?.goodAgeMs,
  }));
}
