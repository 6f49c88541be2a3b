/** A host in memory for a module and one real origin: the real capabilities, with the grants of a configuration that no file has. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGate } from "../capabilities/gate.ts";
import { KeyDirectory } from "../capabilities/keystore/directory.ts";
import { ALWAYS_GRANTED } from "../capabilities/registry.ts";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/config-error.ts";
import { parseConfig } from "../config/parse.ts";
import type { Gate } from "../host-call.ts";
import type { Manifest } from "../module/manifest.ts";
import { closeCapabilities, openCapabilities } from "../runtime/capabilities.ts";
import { openWall } from "../sandbox/wall/choose.ts";
import { createLog } from "../telemetry/log.ts";
import { FixtureError, type FixtureKey } from "./fixture.ts";
import { PROCESS_BYTES } from "./sandboxed.ts";
import { HOST_CALLS } from "./scripted-host.ts";
import { PROVIDER } from "./subject.ts";

/** What the command line grants. */
export interface RunGrants {
  readonly origin: string;
  /** Lines such as "POST /v1/transit/encrypt/kek". */
  readonly allow: readonly string[];
  readonly networks: readonly string[];
  readonly ca?: string | undefined;
  /** The path of a file with a token, and the header that it is sent in. */
  readonly token?:
    | { readonly file: string; readonly header: string; readonly scheme?: string | undefined }
    | undefined;
}

export interface OpenHost {
  readonly gate: Gate;
  /** Closes the connections, and removes the key file. */
  close(): Promise<void>;
}

/**
 * Opens the capabilities. A keystore has one new key, in a folder that is removed with the host.
 * @throws FixtureError for an option that cannot be used; KleidiError
 */
export async function openConfiguredHost(
  module: { readonly path: string; readonly sha256: string },
  manifest: Manifest,
  key: FixtureKey,
  grants: RunGrants,
): Promise<OpenHost> {
  assertGrantable(manifest);
  const folder = mkdtempSync(join(tmpdir(), "kleidi-run-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const config = configOf(folder, module, manifest, key, grants);
    if (config.keystore !== undefined) createKey(config.keystore.directory, key.key);
    const capabilities = await openCapabilities(config, createLog({ level: "warn" }), {
      onCredential() {},
      onCredentialUses() {},
      onExpiry() {},
      onLine() {},
      startNative: async (...native) =>
        (await openWall({ wall: "auto" }, PROCESS_BYTES)).startNative(...native),
    });
    const [provider] = config.providers;
    const client = {
      requests: manifest.capabilities,
      grants: { ...provider?.grants },
      hostCalls: HOST_CALLS,
      hostCallsPerMinute: 1_000_000,
    };
    const witness = { decided() {}, performed() {}, fault() {} };
    const clients = new Map([[PROVIDER, client]]);
    return {
      gate: createGate({ clients, capabilities, alwaysGranted: ALWAYS_GRANTED, witness }),
      async close() {
        await closeCapabilities(capabilities);
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Options can grant an origin, and the kit makes a key. */
function assertGrantable({ capabilities }: Manifest): void {
  const found = capabilities.find(({ capability }) => capability === "tpm" || capability === "state");
  if (found !== undefined)
    throw new FixtureError(
      `Cannot run the module with options: it requests kleidi:${found.capability}, which no option grants; use kleidi provider test --config`,
    );
}

function createKey(directory: string, name: string): void {
  mkdirSync(directory, { mode: 0o700 });
  new KeyDirectory(directory).create(name);
}

function configOf(
  folder: string,
  { path, sha256 }: { readonly path: string; readonly sha256: string },
  { capabilities }: Manifest,
  { key, settings }: FixtureKey,
  { origin, allow, networks, ca, token }: RunGrants,
): Config {
  const keystore = capabilities.filter(({ capability }) => capability === "keystore");
  const use = keystore.some(({ operations }) => operations.includes("s2k")) ? "passphrases" : "keys";
  const net = {
    origin,
    allow,
    networks,
    ...(ca && { tls: { ca } }),
    ...(token && { credential: { file: token } }),
  };
  const document = {
    apiVersion: "kleidi.dev/v1",
    listen: { socket: join(folder, "kms.sock") },
    ...(keystore.length > 0 && { keystore: { directory: join(folder, "keys") } }),
    providers: {
      [PROVIDER]: {
        module: path,
        sha256,
        grants: { net, ...(keystore.length > 0 && { keystore: { [use]: [key] } }) },
      },
    },
    keys: [
      { name: key, provider: PROVIDER, use: "active", ...(Object.keys(settings).length > 0 && { settings }) },
    ],
  };
  return parsed(JSON.stringify(document), join(folder, "options"));
}

/** Parses the document, whose faults are those of options. */
function parsed(text: string, path: string): Config {
  try {
    return parseConfig(text, path);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const faults = error.faults.map(
      ({ path: place, expected, actual, remedy }) =>
        `${place.replace(/^(providers\.subject\.grants\.net|keys\[0\])\.?/, "")}: expected ${expected}, found ${actual}; ${remedy}`,
    );
    throw new FixtureError(["Cannot use the options of the command:", ...faults].join("\n"), {
      cause: error,
    });
  }
}
