/** A host's folder with its KEK in the Azure stand-in: nothing is created or started yet. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FakeAzure } from "./azure/azure.ts";
import { TENANT } from "./azure/entra.ts";
import { Fixture, root, sha256Of } from "./fixture.ts";

export const azureModule = join(root, "providers", "azure.wasm");

/** The lines of a grant that the provider needs for a key. */
export const allowFor = (key: string) => [
  `GET /keys/${key}?api-version=7.4`,
  `GET /keys/${key}/versions?api-version=7.4&maxresults=25`,
  `POST /keys/${key}/?api-version=7.4`,
];

export interface AzureNodeOptions {
  readonly azure: FakeAzure;
  /** The setting `key`. */
  readonly key: string;
  /** `credential.azure`. */
  readonly credential: Record<string, unknown>;
  /** Secret files in the host's folder: their names and contents. */
  readonly files?: Readonly<Record<string, string>>;
  /** Further changes to the configuration. */
  readonly rest?: Record<string, unknown>;
}

export function azureNode({ azure, key, credential, files = {}, rest = {} }: AzureNodeOptions): Fixture {
  const fixture = new Fixture();
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(fixture.folder, name), content, { mode: 0o600 });
  const grant = {
    origin: azure.at.vault.origin,
    allow: allowFor(key),
    tls: { ca: azure.authority.file },
    credential: { azure: credential },
  };
  const config = {
    apiVersion: "kleidi.dev/v1",
    listen: { socket: "kms.sock" },
    providers: { azure: { module: azureModule, sha256: sha256Of(azureModule), grants: { net: grant } } },
    keys: [{ name: "kek", provider: "azure", use: "active", settings: { key } }],
    status: { interval: "1s" },
    log: { level: "debug", file: "kleidi.log" },
    audit: { file: "audit.jsonl" },
    ...rest,
  };
  return fixture.write(JSON.stringify(config));
}

/** The credential of an application with a file. */
export function applicationOf(
  azure: FakeAzure,
  source: "client-secret" | "client-certificate" | "workload-identity",
  client: string,
  content: string,
): Pick<AzureNodeOptions, "credential" | "files"> {
  const login = azure.at.login.origin;
  return { credential: { source, tenant: TENANT, client, file: "proof", login }, files: { proof: content } };
}

/** The credential of a machine with a managed identity of its own. */
export function machineOf(azure: FakeAzure): Pick<AzureNodeOptions, "credential"> {
  if (azure.entra.machine.length === 0) azure.entra.machine.push(azure.entra.application());
  return { credential: { source: "managed-identity", endpoint: azure.at.metadata.origin } };
}
