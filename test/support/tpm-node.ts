/** A host's folder with keys in a TPM: nothing is created or started yet. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Fixture, root, sha256Of } from "./fixture.ts";
import { Swtpm } from "./swtpm.ts";

export const tpmModule = join(root, "providers", "tpm.wasm");

export interface TpmNodeOptions {
  readonly device: string;
  /** The interval of the host's own probes; long where a test counts TPM commands. */
  readonly interval?: string;
  /** Keys for decryption only, in addition to "kek". */
  readonly others?: readonly string[];
  /** Whether the provider may have sealed data from the TPM. */
  readonly unseal?: boolean;
}

/** Gives a new TPM, and a host's folder with a key "kek" in it, to a test. */
export async function withTpm(work: (tpm: Swtpm, node: Fixture) => Promise<void>): Promise<void> {
  const tpm = await Swtpm.start("unix");
  const node = tpmNode(tpm);
  try {
    await work(tpm, node);
  } finally {
    await node.close();
    await tpm.stop();
  }
}

/** @param key changes to the key in the configuration */
export function tpmNode(options: TpmNodeOptions, key: Record<string, unknown> = {}): Fixture {
  const { device, interval = "1s", others = [], unseal = false } = options;
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
          grants: { tpm: { device, unseal }, state: { names: ["kek", ...others] } },
        },
      },
      keys: [
        { name: "kek", provider: "tpm", use: "active", ...key },
        ...others.map((name) => ({ name, provider: "tpm", use: "decrypt" })),
      ],
      status: { interval },
      log: { level: "debug", file: "kleidi.log" },
    }),
  );
}
