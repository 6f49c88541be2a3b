/** A host in its own folder, driven through the command line like an operator drives it. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { KmsClient } from "../../host/grpc/client.ts";

export const root = join(import.meta.dirname, "..", "..");
export const kleidi = join(root, "host", "kleidi");
export const localModule = join(root, "providers", "local.wasm");

const START_MS = 20_000;
const RUN_MS = 120_000;

export interface Key {
  readonly name: string;
  readonly use: "active" | "decrypt";
  readonly provider?: string;
}

export function sha256Of(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

/** A configuration of the local provider; JSON is YAML. */
export function localConfig(keys: readonly Key[], changes: Record<string, unknown> = {}): string {
  return JSON.stringify({
    apiVersion: "kleidi.dev/v1",
    listen: { socket: "kms.sock" },
    keystore: { directory: "keys" },
    providers: {
      local: {
        module: localModule,
        sha256: sha256Of(localModule),
        grants: { keystore: { keys: keys.map(({ name }) => name) } },
      },
    },
    keys: keys.map((key) => ({ provider: "local", ...key })),
    status: { interval: "1s" },
    log: { level: "debug", file: "kleidi.log" },
    ...changes,
  });
}

export class Fixture {
  readonly folder = mkdtempSync(join(tmpdir(), "kleidi-test-"));
  readonly config = join(this.folder, "kleidi.yaml");
  readonly socket = join(this.folder, "kms.sock");
  readonly log = join(this.folder, "kleidi.log");
  readonly #running = new Set<ChildProcess>();
  readonly #keepOutput: boolean;
  /** The output of hosts on stdout and stderr, where it is captured; otherwise stderr is the test's own. */
  output = "";

  constructor({ keepOutput = false }: { readonly keepOutput?: boolean } = {}) {
    this.#keepOutput = keepOutput;
    mkdirSync(join(this.folder, "keys"), { mode: 0o700 });
  }

  write(config: string): this {
    writeFileSync(this.config, config);
    return this;
  }

  /** Runs a command with this configuration. */
  run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
    // A host that should have refused to start must not block the test forever.
    return spawnSync(kleidi, [...args, "--config", this.config], { encoding: "utf8", timeout: RUN_MS });
  }

  /** The same without blocking, for commands that need this process. Rejects where the command fails. */
  async runAside(...args: string[]): Promise<{ stdout: string; stderr: string }> {
    return await promisify(execFile)(kleidi, [...args, "--config", this.config]);
  }

  /** Creates a key, or throws with the output of the command. */
  keyInit(name: string): this {
    const { status, stderr } = this.run("key", "init", name);
    if (status !== 0) throw new Error(stderr);
    return this;
  }

  /** Starts "kleidi serve", or "kleidi hold" around it, without waiting for it. */
  spawn(command: "serve" | "hold" = "serve"): ChildProcess {
    const host = spawn(kleidi, [command, "--config", this.config], {
      stdio: this.#keepOutput ? ["ignore", "pipe", "pipe"] : ["ignore", "ignore", "inherit"],
    });
    for (const stream of [host.stdout, host.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
    this.#running.add(host);
    host.once("exit", () => this.#running.delete(host));
    return host;
  }

  /** Starts "kleidi serve" and waits for the first good Status. */
  async serve(): Promise<ChildProcess> {
    const host = this.spawn();
    const deadline = Date.now() + START_MS;
    const client = new KmsClient(this.socket);
    try {
      for (;;) {
        if (host.exitCode !== null)
          throw new Error(`the host ended with ${host.exitCode}:\n${this.readLog()}`);
        try {
          await client.status();
          return host;
        } catch (error) {
          if (Date.now() > deadline) throw new Error(`${(error as Error).message}\n${this.readLog()}`);
          await sleep(20);
        }
      }
    } finally {
      client.close();
    }
  }

  readConfig(): string {
    return readFileSync(this.config, "utf8");
  }

  readLog(): string {
    return readFileSync(this.log, "utf8");
  }

  /** Sends SIGTERM. @returns the exit code */
  static async stop(host: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (host.exitCode !== null || host.signalCode !== null) return host.exitCode;
    const ended = new Promise<number | null>((resolve) => host.once("exit", resolve));
    host.kill(signal);
    return await ended;
  }

  async close(): Promise<void> {
    for (const host of this.#running) await Fixture.stop(host, "SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}
