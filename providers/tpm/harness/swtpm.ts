/** A virtual TPM for one test, with synchronous commands, and tpm2-tools on the same TPM as an independent check. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";

/** The data that wire.ts receives. */
export interface Wire {
  readonly path: string;
  readonly port: MessagePort;
  /** 1 when the port has an answer. */
  readonly flag: Int32Array;
}

export class Swtpm {
  readonly folder = mkdtempSync(join(tmpdir(), "kleidi-tpm-"));
  readonly #socket = join(this.folder, "tpm.sock");
  #process: ChildProcess | undefined;
  #wire: { worker: Worker; port: MessagePort; flag: Int32Array } | undefined;

  /** Starts it; after `stop`, with its previous state. */
  async start(): Promise<this> {
    const server = `type=unixio,path=${this.#socket},mode=0600`;
    const control = `type=unixio,path=${this.#socket}.ctrl,mode=0600`;
    const options = ["socket", "--tpm2", "--tpmstate", `dir=${this.folder},mode=0600`];
    options.push("--server", server, "--ctrl", control, "--flags", "not-need-init,startup-clear");
    this.#process = spawn("swtpm", options, { stdio: "ignore" });
    while (!existsSync(this.#socket) || !existsSync(`${this.#socket}.ctrl`)) {
      if (this.#process.exitCode !== null) throw new Error("Cannot start swtpm: it exited");
      await sleep(5);
    }
    return this;
  }

  async stop(): Promise<void> {
    await this.release();
    const process = this.#process;
    this.#process = undefined;
    if (process === undefined || process.exitCode !== null) return;
    process.kill("SIGTERM");
    await once(process, "exit");
    rmSync(this.#socket, { force: true });
    rmSync(`${this.#socket}.ctrl`, { force: true });
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true });
  }

  /** A command and its response. */
  transmit(command: Uint8Array): Uint8Array {
    return this.#ask(command);
  }

  /** Closes the connection: swtpm serves one client at a time. */
  async release(): Promise<void> {
    if (this.#wire === undefined) return;
    this.#ask(null);
    await this.#wire.worker.terminate();
    this.#wire = undefined;
  }

  /** Runs one of tpm2-tools and returns its exit code, stdout and stderr. */
  async tool(name: string, ...options: string[]): Promise<{ code: number; out: string; err: string }> {
    await this.release();
    const env = { ...process.env, TPM2TOOLS_TCTI: `swtpm:path=${this.#socket}` };
    const run = spawnSync(`tpm2_${name}`, options, { cwd: this.folder, env, encoding: "utf8" });
    // There is no resource manager: objects that a tool loaded stay.
    if (name !== "flushcontext") spawnSync("tpm2_flushcontext", ["-t"], { env });
    return { code: run.status ?? -1, out: run.stdout, err: run.stderr };
  }

  #ask(command: Uint8Array | null): Uint8Array {
    this.#wire ??= this.#connect();
    const { port, flag } = this.#wire;
    Atomics.store(flag, 0, 0);
    port.postMessage(command);
    // The worker may have been interrupted between the flag of the answer before and its wake-up, which then comes now.
    while (Atomics.load(flag, 0) === 0)
      if (Atomics.wait(flag, 0, 0, 10_000) === "timed-out") throw new Error("swtpm did not answer");
    const answer: Uint8Array | string = receiveMessageOnPort(port)?.message;
    if (typeof answer !== "string") return answer;
    if (command === null) return new Uint8Array(0);
    throw new Error(answer);
  }

  #connect(): { worker: Worker; port: MessagePort; flag: Int32Array } {
    const { port1, port2 } = new MessageChannel();
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const workerData: Wire = { path: this.#socket, port: port2, flag };
    const worker = new Worker(new URL("./wire.ts", import.meta.url), { workerData, transferList: [port2] });
    return { worker, port: port1, flag };
  }
}
