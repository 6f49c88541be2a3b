/** A host's folder with its KEK in a token: nothing is started yet. */
import { join } from "node:path";
import { Fixture, root, sha256Of } from "./fixture.ts";
import type { SoftHsm } from "./softhsm.ts";

export const pkcs11Module = join(root, "providers", "pkcs11.wasm");

/** A host's folder with the configuration of pkcs11Config. */
export function pkcs11Node(...parts: Parameters<typeof pkcs11Config>): Fixture {
  return new Fixture().write(pkcs11Config(...parts));
}

/**
 * @param key changes to the key "kek" in the configuration, whose label is granted
 * @param grant changes to the grant
 * @param rest further keys of the configuration, by default an audit log
 */
export function pkcs11Config(
  hsm: SoftHsm,
  key: Record<string, unknown> = {},
  grant: Record<string, unknown> = {},
  rest: Record<string, unknown> = { audit: { file: "audit.jsonl" } },
): string {
  return JSON.stringify({
    apiVersion: "kleidi.dev/v1",
    listen: { socket: "kms.sock" },
    providers: {
      hsm: {
        module: pkcs11Module,
        sha256: sha256Of(pkcs11Module),
        grants: { pkcs11: hsm.grant(["kek"], grant) },
      },
    },
    keys: [{ name: "kek", provider: "hsm", use: "active", ...key }],
    status: { interval: "1s" },
    log: { level: "debug", file: "kleidi.log" },
    ...rest,
  });
}
