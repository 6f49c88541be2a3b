/** The state report of a running host: `/state` and the page of the admin listener. `kleidi check` reads it. */
import type { KeyId } from "../kms/key-id.ts";
import { type KeyState, type Keyset, leftOut, providerText } from "../kms/keyset.ts";
import { trustLine } from "../module/trust/trust.ts";
import { apiServerHash, keyIdHash } from "../telemetry/log.ts";
import type { Recorder } from "../telemetry/recorder.ts";
import type { HostReport, KeyReport, ProviderReport, ReloadReport } from "../telemetry/report.ts";
import type { HostView } from "./host-view.ts";
import { reach } from "./reach.ts";
import { notReadyReason } from "./readiness.ts";
import { NEVER_STARTED, type RefusedProvider } from "./refused-provider.ts";
import type { ReloadVerdict } from "./reload.ts";
import type { RunnableProvider } from "./runnable-provider.ts";

/** The report is rendered between two RPCs: a key with 1,024 versions must not make it long. */
const REPORTED = 64;

export function stateReport({ identity, serving, reloader, server, audit, recorder }: HostView): HostReport {
  const { config, providers, keyset, service } = serving.current;
  const reason = notReadyReason(service, audit, server);
  return {
    ...identity,
    configurationSha256: config.sha256,
    startedAt: performance.timeOrigin,
    at: Date.now(),
    ...(reason === undefined ? {} : { notReadyReason: reason }),
    ...(reloader.last && { lastReload: reloadReport(reloader.last) }),
    ...(audit && { audit: audit.sinks }),
    providers: Object.fromEntries([
      ...providers.all.map((provider) => [provider.config.name, providerReport(provider, recorder)] as const),
      ...providers.refused.map((provider) => [provider.name, refusedReport(provider)] as const),
    ]),
    keys: keyReports(keyset, recorder),
    denials: recorder.denials(),
    changes: recorder.changes(),
  };
}

/** @returns a sentence, if the last reload was refused */
export function reloadRemark({ reloader: { last } }: Pick<HostView, "reloader">): string | undefined {
  return last?.outcome === "refused"
    ? `the reload at ${new Date(last.at).toISOString()} was refused: ${last.failure.message}`
    : undefined;
}

function reloadReport(reload: ReloadVerdict): ReloadReport {
  const { at, outcome } = reload;
  return outcome === "applied" ? { at, outcome } : { at, outcome, reason: reload.failure.message };
}

function providerReport(
  { config, module, supervisor }: RunnableProvider,
  recorder: Recorder,
): ProviderReport {
  const { manifest, sha256, trusted } = module;
  return {
    ...supervisor.state(),
    module: {
      name: manifest.name,
      version: manifest.version,
      sha256,
      trust: trustLine(trusted),
    },
    reach: reach(config, manifest).map(({ ok, detail, whys }) => {
      return { ok, detail, ...(whys.length === 0 ? {} : { why: whys.join("; ") }) };
    }),
    reached: recorder.reached(config.name),
  };
}

function refusedReport({ failure }: RefusedProvider): ProviderReport {
  return { ...NEVER_STARTED, refusal: failure.message, reach: [], reached: [] };
}

export function keyReports(keyset: Keyset, recorder: Recorder): KeyReport[] {
  return keyset.states().map((state) => keyReport(state, keyset.keyIds(state.key), recorder));
}

/** @returns a sentence, if the active key encrypts without some of its members */
export function redundancyRemark({ serving }: Pick<HostView, "serving">): string | undefined {
  const { active } = serving.current.keyset;
  const names = leftOut(active);
  return names.length === 0
    ? undefined
    : `key ${active.key.name} encrypts without its member ${names.join(" and ")}: new objects cannot be read with it`;
}

function keyReport(state: KeyState, keyIds: readonly KeyId[], recorder: Recorder): KeyReport {
  const { key, current, failure } = state;
  const probe = recorder.lastProbe(key.name);
  return {
    name: key.name,
    provider: providerText(key),
    use: key.use,
    key_id_hashes: keyIds.slice(0, REPORTED).map(apiServerHash),
    ...(current && { key_id_sha256: keyIdHash(current.keyId), version: current.version }),
    ...(key.members && { members: key.members.map(({ name }) => name), leftOut: leftOut(state) }),
    ...(failure && { failure: failure.message, code: failure.code, hint: failure.hint }),
    ...(probe && { probe }),
  };
}
