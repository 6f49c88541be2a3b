/** The module of a trial in its sandbox, with one of three hosts: that of a fixture, one with a real origin, or a recording. */
import { KNOWN } from "../capabilities/registry.ts";
import { withLimits } from "../module/admission.ts";
import { examine } from "../module/examine.ts";
import { openWall } from "../sandbox/wall/choose.ts";
import { LIMITS } from "./admitted.ts";
import { type OpenHost, openConfiguredHost, type RunGrants } from "./configured-host.ts";
import { withCrypto } from "./crypto-host.ts";
import type { Fixture, FixtureKey } from "./fixture.ts";
import { PROCESS_BYTES, superviseModule } from "./sandboxed.ts";
import { assertComplete, openScriptedHost } from "./scripted-host.ts";
import { PROVIDER, Subject } from "./subject.ts";

export interface TrialModule {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

/** Where the answers come from. A recording gives each call a gate of its own. */
export type AnswerSource = { readonly fixture: Fixture } | { readonly grants: RunGrants } | "recording";

/**
 * Starts a module, and ends its process when the work is done.
 * @throws KleidiError module-invalid, wall-missing, config-invalid for an option; FixtureError
 */
export async function withSubject(
  module: TrialModule,
  key: FixtureKey,
  source: AnswerSource,
  work: (subject: Subject) => Promise<void>,
): Promise<void> {
  const examined = examine(PROVIDER, module.bytes, KNOWN);
  const runnable = withLimits({ name: PROVIDER, limits: LIMITS }, module.bytes, examined.module);
  const host = await openHost(module, examined.manifest, key, source);
  try {
    const wall = await openWall({ wall: "auto" }, PROCESS_BYTES);
    const supervisor = superviseModule({ runnable }, wall, withCrypto(host.gate), {
      forwardsCrypto: true,
      reportsUsage: true,
    });
    try {
      await supervisor.start();
      const options = { others: [], binds: true, variants: 1, parallel: 1 };
      await work(new Subject({ ...options, supervisor, provider: PROVIDER, key }));
    } finally {
      await supervisor.stop();
    }
  } finally {
    await host.close();
  }
}

async function openHost(
  module: TrialModule,
  manifest: Parameters<typeof openConfiguredHost>[1],
  key: FixtureKey,
  source: AnswerSource,
): Promise<OpenHost> {
  if (source === "recording") return { gate: nothing, close: async () => {} };
  if ("grants" in source) return await openConfiguredHost(module, manifest, key, source.grants);
  assertComplete(manifest, source.fixture);
  const { gate } = await openScriptedHost(PROVIDER, manifest, source.fixture);
  return { gate, close: async () => {} };
}

/** Each call of a replay has the gate of its part of the recording. */
const nothing = async () => ({
  code: 5,
  message: "there is no recording of this call",
  body: new Uint8Array(),
});
