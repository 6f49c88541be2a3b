/** A host's folder with its KEK in OpenBao's Transit engine: nothing is created or started yet. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fixture, root, sha256Of } from "./fixture.ts";

export const vaultModule = join(root, "providers", "vault.wasm");

export interface VaultNodeOptions {
  /** "http://127.0.0.1:8200" */
  readonly origin: string;
  /** Written to the file "token", the host's credential; another credential goes into `net`. */
  readonly token?: string;
  /** Changes to the grant. */
  readonly net?: Record<string, unknown>;
  /** Changes to the active key. */
  readonly key?: Record<string, unknown>;
  /** Changes to the provider. */
  readonly provider?: Record<string, unknown>;
  /** Further changes to the configuration. */
  readonly rest?: Record<string, unknown>;
  readonly interval?: string;
}

/** The provider's requests for a key of this name, mounted at transit. */
export function allowFor(key: string, mount = "transit"): string[] {
  return [
    `GET /v1/${mount}/keys/${key}`,
    `POST /v1/${mount}/encrypt/${key}`,
    `POST /v1/${mount}/decrypt/${key}`,
  ];
}

export function vaultConfig(options: VaultNodeOptions): Record<string, unknown> {
  const { origin, net = {}, key = {}, provider = {}, rest = {}, interval = "1s" } = options;
  return {
    apiVersion: "kleidi.dev/v1",
    listen: { socket: "kms.sock" },
    providers: {
      vault: {
        module: vaultModule,
        sha256: sha256Of(vaultModule),
        grants: {
          net: {
            origin,
            allow: allowFor("kek"),
            credential: { vault: { auth: "token", file: "token" } },
            ...net,
          },
        },
        ...provider,
      },
    },
    keys: [{ name: "kek", provider: "vault", use: "active", ...key }],
    status: { interval },
    log: { level: "debug", file: "kleidi.log" },
    ...rest,
  };
}

export function vaultNode(options: VaultNodeOptions): Fixture {
  const fixture = new Fixture();
  writeFileSync(join(fixture.folder, "token"), `${options.token ?? ""}\n`, { mode: 0o600 });
  return fixture.write(JSON.stringify(vaultConfig(options)));
}
