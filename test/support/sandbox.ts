/** A provider in its sandbox without a socket, for tests of one guest. */

import { Crypto as SoftwareCrypto } from "@peculiar/webcrypto";
import { createGate } from "../../host/capabilities/gate.ts";
import { Keystore } from "../../host/capabilities/keystore/keystore.ts";
import { openLog } from "../../host/capabilities/log/log.ts";
import { ALWAYS_GRANTED, KNOWN } from "../../host/capabilities/registry.ts";
import { deriveKeyId } from "../../host/kms/key-id.ts";
import type { SimpleVersion } from "../../host/kms/keyset.ts";
import { Secret } from "../../host/lib/secret.ts";
import { admit } from "../../host/module/admission.ts";
import { SandboxedProvider } from "../../host/sandbox/provider.ts";
import { Supervisor, type SupervisorOptions } from "../../host/sandbox/supervisor.ts";
import { sha256Of } from "./fixture.ts";
import { theWall } from "./wall.ts";

export interface Sandbox {
  readonly provider: SandboxedProvider;
  readonly supervisor: Supervisor;
  readonly logLines: string[];
  readonly denials: string[];
  /** The reasons for which processes ended, in order. */
  readonly ends: string[];
  /** Errors thrown by operations of the host: none, if all is well. */
  readonly faults: unknown[];
  /** A key of this provider, as the keyset would route to it. */
  key(name: string, version: string): Promise<SimpleVersion>;
  stop(): Promise<void>;
}

export interface SandboxOptions extends Partial<SupervisorOptions> {
  /** Keystore keys that are created here and granted to the provider. */
  readonly keys?: string[];
  /** Keystore keys that are granted as passphrases, with their 32 bytes. */
  readonly passphrases?: Readonly<Record<string, Uint8Array>>;
  /** The restriction of the grant. */
  readonly rpcs?: string[];
  readonly tableEntries?: number;
  readonly hostCallsPerMinute?: number;
  /** A keystore that several providers share, in place of a new one. */
  readonly keystore?: Keystore;
  /** Keys of that keystore that are granted in addition. */
  readonly shared?: string[];
}

export async function startSandbox(
  name: string,
  module: string,
  {
    keys = [],
    shared = [],
    passphrases = {},
    rpcs,
    hostCallsPerMinute = 1_000_000,
    keystore = new Keystore(new SoftwareCrypto()),
    ...changes
  }: SandboxOptions = {},
): Promise<Sandbox> {
  const granted = { keys: [...keys, ...shared], passphrases: Object.keys(passphrases) };
  const grants =
    granted.keys.length + granted.passphrases.length > 0
      ? { keystore: { ...granted, ...(rpcs && { rpcs }) } }
      : {};
  const limits = { memoryBytes: 16 << 20, tableEntries: 16_384, ...changes };
  const admitted = admit({
    name,
    module,
    sha256: sha256Of(module),
    limits,
    grants,
    known: KNOWN,
    grantLine: (capability) => `${capability}: {}`,
  });
  for (const key of keys) await keystore.add(key, new Secret(crypto.getRandomValues(new Uint8Array(32))));
  for (const [key, bytes] of Object.entries(passphrases)) {
    keystore.addPassphrase(key, new Secret(Uint8Array.from(bytes)));
  }
  const logLines: string[] = [];
  const denials: string[] = [];
  const ends: string[] = [];
  const faults: unknown[] = [];
  const gate = createGate({
    clients: new Map([
      [
        name,
        {
          requests: admitted.manifest.capabilities,
          grants,
          hostCalls: 64,
          hostCallsPerMinute,
        },
      ],
    ]),
    capabilities: {
      keystore: keystore.opened(),
      log: openLog({
        linesPerCall: new Map([[name, 64]]),
        write: (_name, _level, line) => logLines.push(line),
      }),
    },
    alwaysGranted: ALWAYS_GRANTED,
    witness: {
      decided({ verdict, why }) {
        if (verdict === "denied") denials.push(why);
      },
      performed() {},
      fault: (_call, error) => faults.push(error),
    },
  });
  const supervisor = new Supervisor({
    provider: name,
    module: admitted.bytes,
    imports: admitted.imports,
    memory: admitted.memory,
    memoryBytes: 16 << 20,
    processMemoryBytes: 1 << 30,
    wall: await theWall(),
    standby: true,
    standbyDelayMs: 0,
    hostCalls: 64,
    inputBytes: 65_536,
    outputBytes: 65_536,
    deadlineMs: 2000,
    concurrentCalls: 64,
    queue: 256,
    gate,
    onStderr: () => {},
    onEnd: (how) => ends.push(how),
    onQuarantine: ({ reason }) => ends.push(`quarantine: ${reason}`),
    ...changes,
  });
  try {
    await supervisor.start();
  } catch (error) {
    // Otherwise it would retry.
    await supervisor.stop();
    throw error;
  }
  const provider = new SandboxedProvider(name, supervisor);
  return {
    provider,
    supervisor,
    logLines,
    denials,
    ends,
    faults,
    async key(key, version) {
      return {
        key: { name: key, provider, use: "active" },
        version,
        keyId: await deriveKeyId(key, version),
      };
    },
    stop: () => supervisor.stop(),
  };
}
