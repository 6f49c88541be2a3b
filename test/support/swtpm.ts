/** A virtual TPM for a test: swtpm with its state in a temporary folder, and tpm2-tools connected to it. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { requireDebian } from "./debian.ts";

const run = promisify(execFile);

export class Swtpm {
  readonly folder: string;
  readonly #port: number | undefined;
  #process: ChildProcess | undefined;

  private constructor(port: number | undefined, folder: string) {
    this.#port = port;
    this.folder = folder;
  }

  /**
   * Starts one that listens on a Unix socket, or on two TCP ports of the loopback address.
   * @param folder of its state and its socket; stop() removes it
   */
  static async start(
    kind: "unix" | "tcp" = "unix",
    folder = mkdtempSync(join(tmpdir(), "kleidi-swtpm-")),
  ): Promise<Swtpm> {
    requireDebian(["swtpm", "tpm2-tools"]);
    const swtpm = new Swtpm(kind === "tcp" ? await freePorts() : undefined, folder);
    await swtpm.start();
    return swtpm;
  }

  get socket(): string {
    return join(this.folder, "tpm.sock");
  }

  get port(): number {
    return this.#port ?? 0;
  }

  /** The name of this device in a grant. */
  get device(): string {
    return this.#port === undefined ? `swtpm:${this.socket}` : `swtpm:127.0.0.1:${this.#port}`;
  }

  /** The value of TPM2TOOLS_TCTI. */
  get tcti(): string {
    return this.#port === undefined ? `swtpm:path=${this.socket}` : `swtpm:host=127.0.0.1,port=${this.#port}`;
  }

  /** @param state its folder; another folder is another TPM at the same address */
  async start(state = this.folder): Promise<void> {
    const at = (kind: string, suffix: string, add: number) =>
      this.#port === undefined
        ? [`--${kind}`, `type=unixio,path=${this.socket}${suffix},mode=0600`]
        : [`--${kind}`, `type=tcp,port=${this.#port + add},bindaddr=127.0.0.1`];
    this.#process = spawn(
      "swtpm",
      [
        ...["socket", "--tpm2", "--tpmstate", `dir=${state},mode=0600`],
        ...at("server", "", 0),
        ...at("ctrl", ".ctrl", 1),
        ...["--flags", "not-need-init,startup-clear"],
      ],
      { stdio: "ignore" },
    );
    await this.#untilListening();
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.kill(name);
  }

  /** Stops it; its state is kept, and start() continues with it. */
  async kill(name: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, "exit");
    // A stopped process accepts no signal except SIGKILL, and must not continue before it.
    if (name !== "SIGKILL") running.kill("SIGCONT");
    running.kill(name);
    await exited;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Runs one of tpm2-tools in the folder; no other client may hold the data connection. */
  async tool(name: string, ...args: string[]): Promise<string> {
    const { stdout } = await run(name, args, {
      cwd: this.folder,
      env: { ...process.env, TPM2TOOLS_TCTI: this.tcti },
      timeout: 20_000,
    });
    return stdout;
  }

  /** The handles loaded in the TPM: empty if there are none. */
  async loaded(): Promise<string> {
    const kinds = ["handles-transient", "handles-loaded-session", "handles-saved-session"];
    let all = "";
    for (const kind of kinds) all += await this.tool("tpm2_getcap", kind);
    return all;
  }

  /** Tries wrong passwords for its own object until the TPM locks all objects with dictionary-attack protection. */
  async lockOut(): Promise<void> {
    const made = ["-C", "o", "-g", "sha256", "-G", "ecc256", "-p", "right", "-c", "guarded.ctx"];
    await this.tool("tpm2_createprimary", ...made);
    for (let i = 0; i < 8; i++) {
      await this.tool("tpm2_create", "-C", "guarded.ctx", "-P", "wrong", "-G", "ecc256").catch(() => {});
      // Without a resource manager, objects loaded by a tool stay.
      await this.tool("tpm2_flushcontext", "-t").catch(() => {});
    }
  }

  /** Waits for both channels. It does not connect to test them: that would count as the TPM's one client. */
  async #untilListening(): Promise<void> {
    for (let i = 0; i < 1000; i++) {
      if (this.#listens()) return;
      await sleep(5);
    }
    throw new Error("swtpm does not listen");
  }

  /** As the kernel reports it: proc(5), /proc/net/unix and /proc/net/tcp. */
  #listens(): boolean {
    if (this.#port === undefined) {
      const ACCEPTS = "00010000";
      const listening = readFileSync("/proc/net/unix", "utf8")
        .split("\n")
        .map((line) => line.trim().split(/\s+/))
        .flatMap(([, , , flags, , , , path]) => (flags === ACCEPTS && path !== undefined ? [path] : []));
      return listening.includes(this.socket) && listening.includes(`${this.socket}.ctrl`);
    }
    const LISTEN = "0A";
    const local = (port: number) => `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
    const listening = readFileSync("/proc/net/tcp", "utf8")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .flatMap(([, address, , state]) => (state === LISTEN && address !== undefined ? [address] : []));
    return listening.includes(local(this.#port)) && listening.includes(local(this.#port + 1));
  }
}

/** A free port whose next port is free too. */
async function freePorts(): Promise<number> {
  for (;;) {
    const first = createServer();
    await once(first.listen(0, "127.0.0.1"), "listening");
    const address = first.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    const second = createServer();
    const free = await new Promise<boolean>((resolve) => {
      second.once("error", () => resolve(false));
      second.listen(port + 1, "127.0.0.1", () => resolve(true));
    });
    await new Promise((resolve) => first.close(resolve));
    await new Promise((resolve) => (free ? second.close(resolve) : resolve(undefined)));
    if (free) return port;
  }
}
