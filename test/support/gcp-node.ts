/** A host's folder with its KEK in the Google stand-in: nothing is created or started yet. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fixture, root, sha256Of } from "./fixture.ts";
import type { FakeGcp } from "./gcp/gcp.ts";

export const gcpModule = join(root, "providers", "gcp.wasm");

/** The lines of a grant that the provider needs for a key. */
export const allowFor = (key: string) => [
  `GET /v1/${key}`,
  `POST /v1/${key}/cryptoKeyVersions/`,
  `POST /v1/${key}:decrypt`,
];

export interface GcpNodeOptions {
  readonly gcp: FakeGcp;
  /** The setting `key`. */
  readonly key: string;
  /** `credential.gcp`. */
  readonly credential: Record<string, unknown>;
  /** Secret files in the host's folder: their names and contents. */
  readonly files?: Readonly<Record<string, string>>;
  /** Changes to the grant. */
  readonly net?: Record<string, unknown>;
  /** Further changes to the configuration. */
  readonly rest?: Record<string, unknown>;
}

export function gcpNode({ gcp, key, credential, files = {}, net = {}, rest = {} }: GcpNodeOptions): Fixture {
  const fixture = new Fixture();
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(fixture.folder, name), content, { mode: 0o600 });
  const grant = { origin: gcp.at.kms.origin, allow: allowFor(key), credential: { gcp: credential }, ...net };
  const config = {
    apiVersion: "kleidi.dev/v1",
    listen: { socket: "kms.sock" },
    providers: { gcp: { module: gcpModule, sha256: sha256Of(gcpModule), grants: { net: grant } } },
    keys: [{ name: "kek", provider: "gcp", use: "active", settings: { key } }],
    status: { interval: "1s" },
    log: { level: "debug", file: "kleidi.log" },
    audit: { file: "audit.jsonl" },
    ...rest,
  };
  return fixture.write(JSON.stringify(config));
}

/** The credential of a service account by its key, and the key's file. */
export function accountKey(gcp: FakeGcp, name: string): Pick<GcpNodeOptions, "credential" | "files"> {
  return {
    credential: { source: "service-account", file: "key.json", oauth: gcp.at.oauth.origin },
    files: { "key.json": gcp.oauth.account(name).file },
  };
}

/** The credential of the machine. */
export function machineOf(gcp: FakeGcp): Pick<GcpNodeOptions, "credential"> {
  return { credential: { source: "metadata", endpoint: gcp.at.metadata.origin } };
}
