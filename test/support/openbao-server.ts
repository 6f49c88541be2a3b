/** The process of OpenBao: its address, its start and its end. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "kleidi", "openbao-bin");

/** The program built by test/openbao/build.sh. */
export const bao = join(folder, "bao");
export const vaultpeer = join(folder, "vaultpeer");

const START_MS = 60_000;
const STOP_MS = 10_000;

export class ServerProcess {
  readonly #folder: string;
  #process: ChildProcess | undefined;
  #failure: Error | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get log(): string {
    return join(this.#folder, "bao.log");
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get running(): boolean {
    const child = this.#process;
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** @param answers returns whether the server answers */
  async start(args: readonly string[], answers: () => Promise<boolean>): Promise<void> {
    const log = openSync(this.log, "a");
    // Without the caller's BAO_* or VAULT_* and ~/.vault-token, which would change the tested behaviour.
    const env = { PATH: process.env.PATH, HOME: this.#folder };
    const child = spawn(bao, args, { cwd: this.#folder, env, stdio: ["ignore", log, log] });
    closeSync(log);
    this.#process = child;
    // A test that throws outside of its hooks must leave nothing behind either.
    const last = () => child.kill("SIGKILL");
    process.once("exit", last);
    child.once("exit", () => process.off("exit", last));
    child.once("error", (error) => {
      this.#failure = error;
    });
    await this.until(answers);
  }

  /**
   * Polls until the check returns true; an exception counts as false.
   * @throws with the end of the log where the process ends first, or does not answer in time
   */
  async until(answers: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + START_MS;
    for (;;) {
      const child = this.#process;
      if (this.#failure !== undefined) {
        throw new Error(`Cannot start ${bao}: run test/openbao/build.sh`, { cause: this.#failure });
      }
      if (!this.running) {
        throw new Error(`OpenBao ended with ${child?.exitCode ?? child?.signalCode}:\n${this.#tail()}`);
      }
      if (await answers().catch(() => false)) return;
      if (Date.now() > deadline) {
        await this.end("SIGKILL");
        throw new Error(`OpenBao did not answer within ${START_MS} ms:\n${this.#tail()}`);
      }
      await sleep(50);
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.kill(name);
  }

  /** Stops it and waits for its end; does nothing where it is not running. */
  async end(name: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.#process;
    if (child === undefined || !this.running) return;
    const exited = once(child, "exit");
    // A stopped process accepts no signal except SIGKILL.
    if (name !== "SIGKILL") child.kill("SIGCONT");
    child.kill(name);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await exited;
    clearTimeout(timer);
  }

  #tail(): string {
    return readFileSync(this.log, "utf8").slice(-8000);
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
