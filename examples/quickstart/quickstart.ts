/**
 * A complete run on this machine: a key, a host with the local provider, and this program in place of the API server. All
 * its files are in .kleidi/ of the checkout, or in the folder of --folder; with --once it stops after the round trip.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { LONGEST_SOCKET } from "../../host/config/socket-path.ts";
import { connectionError, KmsClient } from "../../host/grpc/client.ts";
import { openWall } from "../../host/sandbox/wall/choose.ts";

const root = join(import.meta.dirname, "..", "..");
const { once, folder } = optionsOf(process.argv.slice(2));
const config = join(folder, "kleidi.yaml");
const socket = join(folder, "kms.sock");
const log = join(folder, "kleidi.log");
const kleidi = join(root, "host", "kleidi");
const START_MS = 10_000;
const WALL_MEMORY = 1280 << 20;

let host: ChildProcess | undefined;
await assertFree();
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

const serving = spawn(kleidi, ["serve", "--config", config], { stdio: ["ignore", "inherit", "inherit"] });
host = serving;
const ended = new Promise<number>((done) => serving.once("exit", (code) => done(code ?? 1)));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => serving.kill("SIGTERM"));

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
  serving.kill("SIGTERM");
} else {
  say("It serves until Ctrl-C. In another terminal:");
  say(`  npx kleidi healthcheck --config ${show(config)}`);
  say(`  npx kleidi check --live --config ${show(config)}`);
}
process.exitCode = await ended;
say("The host has stopped.");

function optionsOf(args: string[]): { once: boolean; folder: string } {
  try {
    const options = { once: { type: "boolean" }, folder: { type: "string" } } as const;
    const { values } = parseArgs({ args, options });
    return { once: values.once ?? false, folder: resolve(values.folder ?? join(root, ".kleidi")) };
  } catch (error) {
    console.error(`Cannot start: ${(error as Error).message}; the options are --once and --folder <path>`);
    process.exit(2);
  }
}

/** Before anything is written: a second quickstart would replace the configuration of the first one, and talk to its host. */
async function assertFree(): Promise<void> {
  const bytes = Buffer.byteLength(socket);
  if (bytes > LONGEST_SOCKET)
    stop(
      `Cannot start: the path ${socket} is ${bytes} bytes, a socket has at most ${LONGEST_SOCKET}; give a shorter folder: npm run quickstart -- --folder /tmp/kleidi`,
    );
  if ((await connectionError(socket)) === undefined)
    stop(
      `Cannot start: a host serves on ${show(socket)} already; stop that quickstart with Ctrl-C, or give another folder: npm run quickstart -- --folder /tmp/kleidi`,
    );
}

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
    if (serving.exitCode !== null) stop(`The host exited with ${serving.exitCode}; its log is ${show(log)}`);
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
