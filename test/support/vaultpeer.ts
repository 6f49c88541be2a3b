/** The Go peer of the benchmark (test/openbao/cmd/vaultpeer), over a key of an OpenBao of support/openbao.ts. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { OpenBao } from "./openbao.ts";
import { vaultpeer } from "./openbao-server.ts";

const START_MS = 10_000;

export interface PeerOptions {
  readonly key: string;
  readonly token?: string;
  readonly mount?: string;
}

export class VaultPeer {
  readonly folder = mkdtempSync(join(tmpdir(), "kleidi-vaultpeer-"));
  readonly socket = join(this.folder, "kms.sock");
  readonly #process: ChildProcess;

  private constructor(bao: OpenBao, { key, token = bao.rootToken, mount = "transit" }: PeerOptions) {
    const tokenFile = join(this.folder, "token");
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
    const tls = bao.url.startsWith("https:") ? [`-ca-file=${bao.authority.file}`] : [];
    const args = [`-socket=${this.socket}`, `-addr=${bao.url}`, `-token-file=${tokenFile}`, ...tls];
    const log = openSync(join(this.folder, "log"), "a");
    // Without the caller's BAO_* or VAULT_*, which the client in it reads.
    this.#process = spawn(vaultpeer, [...args, `-mount=${mount}`, `-key=${key}`], {
      env: { PATH: process.env.PATH },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    const last = () => this.#process.kill("SIGKILL");
    process.once("exit", last);
    this.#process.once("exit", () => process.off("exit", last));
  }

  static async start(bao: OpenBao, options: PeerOptions): Promise<VaultPeer> {
    const peer = new VaultPeer(bao, options);
    try {
      await peer.#untilListening();
      return peer;
    } catch (error) {
      await peer.stop();
      throw error;
    }
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** @returns its exit code */
  async stop(): Promise<number | null> {
    if (this.#running) {
      const exited = once(this.#process, "exit");
      this.#process.kill("SIGTERM");
      await exited;
    }
    rmSync(this.folder, { recursive: true, force: true });
    return this.#process.exitCode;
  }

  get #running(): boolean {
    const { pid, exitCode, signalCode } = this.#process;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  async #untilListening(): Promise<void> {
    let failure: Error | undefined;
    this.#process.once("error", (error) => {
      failure = error;
    });
    const deadline = Date.now() + START_MS;
    while (!existsSync(this.socket)) {
      if (failure !== undefined || !this.#running || Date.now() > deadline) {
        const log = readFileSync(join(this.folder, "log"), "utf8");
        throw new Error(`Cannot start ${vaultpeer}: ${log}`, { cause: failure });
      }
      await sleep(10);
    }
  }
}
