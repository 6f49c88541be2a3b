/** A host in memory for a module under test: the real gate and keystore, and the KMS and the records of its fixture. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  NetRequestSchema,
  StateGetRequestSchema,
  StatePutRequestSchema,
} from "../../proto/provider/v1/provider_pb.ts";
import { denied, type Opened } from "../capabilities/capability.ts";
import { createGate } from "../capabilities/gate.ts";
import { fingerprint } from "../capabilities/keystore/key-file.ts";
import { REQUESTS as KEYSTORE_REQUESTS, Keystore } from "../capabilities/keystore/keystore.ts";
import { openLog } from "../capabilities/log/log.ts";
import type { Grants } from "../capabilities/policy.ts";
import { ALWAYS_GRANTED } from "../capabilities/registry.ts";
import { answer, type Gate, type HostCall, HostCode, refusal } from "../host-call.ts";
import { Secret } from "../lib/secret.ts";
import type { Manifest } from "../module/manifest.ts";
import { type Fixture, FixtureError } from "./fixture.ts";
import { ScriptedKms } from "./scripted-kms.ts";

/** Of a call of the guest, as configured by default. */
export const HOST_CALLS = 64;
const LOG_LINES = 64;
const KEY_BYTES = 32;
const NET_REQUESTS = { request: NetRequestSchema };
const STATE_REQUESTS = { get: StateGetRequestSchema, put: StatePutRequestSchema };

/** A host in memory. */
export interface ScriptedHost {
  readonly gate: Gate;
  /** The version of each key of the keystore. */
  readonly versions: ReadonlyMap<string, string>;
}

/**
 * Checks that a fixture has a part for each capability that a module requests.
 * @throws FixtureError
 */
export function assertComplete({ capabilities }: Manifest, fixture: Fixture): void {
  const has: Record<string, boolean> = {
    crypto: true,
    log: true,
    keystore: fixture.keystore !== undefined,
    state: fixture.state !== undefined,
    net: fixture.net !== undefined,
  };
  const names = new Set(capabilities.map(({ capability }) => capability));
  const missing = [...names].filter((name) => has[name] !== true);
  if (missing.length > 0) throw new FixtureError(missingText(missing));
}

function missingText(missing: readonly string[]): string {
  if (missing.includes("tpm"))
    return "Cannot test the module without a TPM: it requests kleidi:tpm, which a fixture cannot stand for; give a configuration with a granted TPM (kleidi provider test --config)";
  if (missing.includes("pkcs11"))
    return "Cannot test the module without a token: it requests kleidi:pkcs11, which a fixture cannot stand for; give a configuration with a granted token, of SoftHSM for example (kleidi provider test --config)";
  const requested = missing.map((name) => `kleidi:${name}`).join(", ");
  const parts = missing.map((name) => `"${name}"`).join(", ");
  return `Cannot test the module: it requests ${requested}, and the fixture has no ${parts}; add it to the kms.fixture.json beside the module, or give --fixture`;
}

/**
 * Opens a host in memory, with new key material and a KMS that remembers nothing.
 * @param provider the name under which the module runs
 */
export async function openScriptedHost(
  provider: string,
  manifest: Manifest,
  { keystore, state, net }: Fixture,
): Promise<ScriptedHost> {
  const { keystore: keys, versions } = await openKeystore(keystore ?? { keys: [], passphrases: [] });
  const grants: Grants = {
    ...(keystore && { keystore }),
    ...(state && { state: { names: Object.keys(state) } }),
    ...(net && { net: {} }),
  };
  const gate = createGate({
    clients: new Map([
      [
        provider,
        { requests: manifest.capabilities, grants, hostCalls: HOST_CALLS, hostCallsPerMinute: 100_000_000 },
      ],
    ]),
    capabilities: {
      log: openLog({ linesPerCall: new Map([[provider, LOG_LINES]]), write: () => {} }),
      keystore: keys.opened(),
      ...(state && { state: openRecords(state) }),
      ...(net && { net: openKms(new ScriptedKms(net)) }),
    } as Record<string, Opened>,
    alwaysGranted: ALWAYS_GRANTED,
    witness: {
      decided() {},
      performed() {},
      fault(_call, error) {
        throw error;
      },
    },
  });
  return { gate, versions };
}

/**
 * A host that knows the keys of another one under their versions, with other key material.
 * @param other the host whose versions are taken for its own
 */
export function inPlaceOf(own: ScriptedHost, other: ScriptedHost): Gate {
  return (call) =>
    own.gate(call.capability === "keystore" ? translated(call, other.versions, own.versions) : call);
}

function translated(
  call: HostCall,
  from: ReadonlyMap<string, string>,
  to: ReadonlyMap<string, string>,
): HostCall {
  const schema = KEYSTORE_REQUESTS[call.operation as keyof typeof KEYSTORE_REQUESTS];
  if (schema === undefined || call.operation === "info") return call;
  const request = fromBinary(schema, call.request) as { key: string; version: string };
  if (request.version !== from.get(request.key)) return call;
  request.version = to.get(request.key) ?? "";
  return { ...call, request: toBinary(schema, request as never) };
}

/** Loads new keys, and returns their versions with the keystore. */
async function openKeystore({ keys, passphrases }: NonNullable<Fixture["keystore"]>) {
  const keystore = new Keystore(crypto);
  const versions = new Map<string, string>();
  for (const name of [...keys, ...passphrases]) {
    const bytes = new Secret(crypto.getRandomValues(new Uint8Array(KEY_BYTES)));
    versions.set(name, fingerprint(bytes));
    if (keys.includes(name)) await keystore.add(name, bytes);
    else keystore.addPassphrase(name, bytes);
  }
  return { keystore, versions };
}

function openRecords(records: Readonly<Record<string, string>>): Opened<typeof STATE_REQUESTS> {
  return {
    requests: STATE_REQUESTS,
    decide: {
      get({ name }, call) {
        const record = Object.hasOwn(records, name) ? records[name] : undefined;
        if (record === undefined) return denied(call, "the fixture has no such record");
        return { target: name, perform: () => answer(Buffer.from(record)) };
      },
      put: () => refusal(HostCode.INVALID, "there is a record of this name; records are never replaced"),
    },
  };
}

function openKms(kms: ScriptedKms): Opened<typeof NET_REQUESTS> {
  return {
    requests: NET_REQUESTS,
    decide: {
      request: (request) => ({ target: request.path, perform: () => answer(kms.answer(request)) }),
    },
  };
}
