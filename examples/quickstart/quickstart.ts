/**
 * A complete run on this machine: a key, a host with the local provider, and this program in place of the API server. All
 * its files are in .kleidi/ of the checkout; with --once it stops after the round trip.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import { openWall } from "../../host/sandbox/wall/choose.ts";

const root = join(import.meta.dirname, "..", "..");
const folder = join(root, ".kleidi");
const config = join(folder, "kleidi.yaml");
const socket = join(folder, "kms.sock");
const log = join(folder, "kleidi.log");
const kleidi = join(root, "host", "kleidi");
const START_MS = 10_000;
const WALL_MEMORY = 1280 << 20;

const once = process.argv.slice(2).includes("--once");
const unknown = process.argv.slice(2).find((argument) => argument !== "--once");
if (unknown !== undefined) {
  console.error(`Cannot start: "${unknown}" is unknown; the only option is --once`);
  process.exit(2);
}

mkdirSync(join(folder, "keys"), { recursive: true, mode: 0o700 });
const module = join(root, "providers", "local.wasm");
const sha256 = createHash("sha256").update(readFileSync(module)).digest("hex");
const { sandbox, said } = await wallHere();
writeFileSync(
  config,
  `apiVersion: kleidi.dev/v1
listen: { socket: kms.sock }
keystore: { directory: keys }
providers:
  local:
    module: ${relative(folder, module)}
    sha256: ${sha256}
    grants:
      keystore: { keys: [quickstart] }
sandbox: { wall: ${sandbox} }
keys:
  - { name: quickstart, provider: local, use: active }
log: { level: debug, file: kleidi.log }
`,
);
say(`Wrote the configuration ${show(config)}.`);
say(said);

if (existsSync(join(folder, "keys", "quickstart.key"))) {
  say("The key exists from an earlier run; a key is never created twice.");
} else {
  const made = spawnSync(kleidi, ["key", "init", "--config", config], { encoding: "utf8" });
  if (made.status !== 0) stop(`Cannot create the key: ${made.stderr}`);
  say(`Made the KEK, which stays in the host: ${show(join(folder, "keys", "quickstart.key"))}.`);
}

const host = spawn(kleidi, ["serve", "--config", config], { stdio: ["ignore", "inherit", "inherit"] });
const ended = new Promise<number>((resolve) => host.once("exit", (code) => resolve(code ?? 1)));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => host.kill("SIGTERM"));

const client = new KmsClient(socket);
const status = await firstStatus();
say(
  `The host serves on ${show(socket)}; each call runs in a fresh WebAssembly instance, in a process apart from the host.`,
);
say("Calls of this program in place of the API server:");
say(`  Status   ${status.version}, ${status.healthz}, key_id ${status.keyId}`);

const seed = randomBytes(32);
const sealed = await client.encrypt({ plaintext: seed, uid: "quickstart-1" });
say(
  `  Encrypt  a DEK seed of 32 bytes → ciphertext of ${sealed.ciphertext.length} bytes, decrypted once by the host before it returned it`,
);
const { ciphertext, keyId, annotations } = sealed;
const opened = await client.decrypt({ ciphertext, keyId, annotations, uid: "quickstart-2" });
if (!seed.equals(opened.plaintext)) stop("Decrypt returned other bytes than Encrypt received");
say("  Decrypt  the same 32 bytes came back");
client.close();
say(`Every call is in the log ${show(log)}.`);

if (once) {
  host.kill("SIGTERM");
} else {
  say("It serves until Ctrl-C. In another terminal:");
  say(`  npx kleidi healthcheck --config ${show(config)}`);
  say(`  npx kleidi check --live --config ${show(config)}`);
}
process.exitCode = await ended;
say("The host has stopped.");

/** Returns a wall that works on this machine, or none: the quickstart must not fail without one. */
async function wallHere(): Promise<{ sandbox: string; said: string }> {
  try {
    const { detail } = await openWall({ wall: "auto" }, WALL_MEMORY);
    return { sandbox: "auto", said: `The wall around the provider's process: ${detail}.` };
  } catch (error) {
    const why = `${(error as Error).message}. ${((error as Error).cause as Error | undefined)?.message ?? ""}`;
    return {
      sandbox: "none",
      said: `No wall around the provider's process, in this configuration only. ${why}`,
    };
  }
}

async function firstStatus() {
  const deadline = Date.now() + START_MS;
  for (;;) {
    if (host.exitCode !== null) stop(`The host exited with ${host.exitCode}; its log is ${show(log)}`);
    try {
      return await client.status();
    } catch (error) {
      if (Date.now() > deadline) stop(`The host does not answer Status: ${(error as Error).message}`);
      await sleep(20);
    }
  }
}

function show(path: string): string {
  return relative(process.cwd(), path) || ".";
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function stop(text: string): never {
  process.stderr.write(`${text}\n`);
  host?.kill("SIGKILL");
  process.exit(1);
}
