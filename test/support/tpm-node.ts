/** A host's folder whose one key is in a TPM: nothing is made or started yet. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Fixture, root, sha256Of } from "./fixture.ts";

export const tpmModule = join(root, "providers", "tpm.wasm");

/** @param key changes to the key in the configuration */
export function tpmNode({ device }: { device: string }, key: Record<string, unknown> = {}): Fixture {
  const fixture = new Fixture();
  mkdirSync(join(fixture.folder, "state"), { mode: 0o700 });
  return fixture.write(
    JSON.stringify({
      apiVersion: "kleidi.dev/v1",
      listen: { socket: "kms.sock" },
      state: { directory: "state" },
      providers: {
        tpm: {
          module: tpmModule,
          sha256: sha256Of(tpmModule),
          grants: { tpm: { device }, state: { names: ["kek"] } },
        },
      },
      keys: [{ name: "kek", provider: "tpm", use: "active", ...key }],
      status: { interval: "1s" },
      log: { level: "debug", file: "kleidi.log" },
    }),
  );
}
