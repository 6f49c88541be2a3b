/** A host's folder with keys of three providers: vault-part in OpenBao, tpm-part in a TPM, local-part in a file. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fixture, localModule, sha256Of } from "./fixture.ts";
import { tpmModule } from "./tpm-node.ts";
import { allowFor, vaultModule } from "./vault-node.ts";

export interface ComposedNodeOptions {
  /** Of OpenBao, or of what stands before it. */
  readonly origin: string;
  readonly token: string;
  readonly device: string;
  /** Without their providers, those that no key names are left out. */
  readonly keys: readonly (Record<string, unknown> & { readonly provider?: string })[];
}

/** @returns the text of the configuration */
export function composedConfig({ origin, device, keys }: Omit<ComposedNodeOptions, "token">): string {
  const net = { origin, allow: allowFor("kek"), credential: { vault: { auth: "token", file: "token" } } };
  const providers = {
    vault: { module: vaultModule, sha256: sha256Of(vaultModule), grants: { net } },
    tpm: {
      module: tpmModule,
      sha256: sha256Of(tpmModule),
      grants: { tpm: { device, unseal: false }, state: { names: ["tpm-part"] } },
    },
    local: {
      module: localModule,
      sha256: sha256Of(localModule),
      grants: { keystore: { keys: ["local-part"] } },
    },
  };
  const used = Object.entries(providers).filter(([name]) => keys.some(({ provider }) => provider === name));
  return JSON.stringify({
    apiVersion: "kleidi.dev/v1",
    listen: { socket: "kms.sock" },
    ...(keys.some(({ provider }) => provider === "tpm") ? { state: { directory: "state" } } : {}),
    ...(keys.some(({ provider }) => provider === "local") ? { keystore: { directory: "keys" } } : {}),
    providers: Object.fromEntries(used),
    keys,
    status: { interval: "1s", stableProbes: 1 },
    log: { level: "debug", file: "kleidi.log" },
    audit: { file: "audit.jsonl" },
    admin: { listen: "unix:admin.sock" },
  });
}

/** Creates the folder. No key is created, and nothing is started. */
export function composedNode(options: ComposedNodeOptions): Fixture {
  const fixture = new Fixture();
  writeFileSync(join(fixture.folder, "token"), `${options.token}\n`, { mode: 0o600 });
  mkdirSync(join(fixture.folder, "state"), { mode: 0o700 });
  return fixture.write(composedConfig(options));
}

export const VAULT_PART = {
  name: "vault-part",
  provider: "vault",
  use: "member",
  settings: { key: "kek" },
} as const;
export const TPM_PART = { name: "tpm-part", provider: "tpm", use: "member" } as const;
export const LOCAL_PART = { name: "local-part", provider: "local", use: "member" } as const;
