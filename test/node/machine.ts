/**
 * A test machine for a node: a root file system in a folder, with this machine's programs and devices, and with processes that all end with
 * process 1. The kubelet, containerd and pods find their usual paths there. They leave nothing behind: mounts and processes end with the
 * namespaces, and `stop` removes the cgroups and restores the kernel settings that a kubelet changes.
 *
 *     const machine = await Machine.start([binaries]);
 *     machine.spawn(["/opt/node-bin/ctr", "version"]);
 *     await machine.stop();
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { takeLock } from "../../host/lib/lock.ts";
import { until } from "../e2e/servers.ts";
import { makeCgroups, removeCgroups } from "./cgroups.ts";

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "kleidi");
/** The folder of the programs from test/node/go/build.sh; /opt/node-bin on the test machine. */
export const NODE_BIN = join(cache, "node-bin");

const PATH = "/opt/node-bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const END_MS = 30_000;
/** Only one test machine runs at a time: two would save and restore each other's kernel settings. */
const LOCK = join(tmpdir(), "kleidi-machine.lock");
const WAIT_MS = 1_800_000;
/** Kernel settings that a kubelet writes (pkg/kubelet/cm/container_manager_linux.go). */
const SYSCTLS = [
  "vm/overcommit_memory",
  "vm/panic_on_oom",
  "kernel/panic",
  "kernel/panic_on_oops",
  "kernel/keys/root_maxkeys",
  "kernel/keys/root_maxbytes",
].map((name) => join("/proc/sys", name));

/** @returns the reason, in one line, why a test machine cannot start here; undefined if it can */
export function whyNoMachine(): string | undefined {
  if (process.getuid?.() !== 0) return "this user is not root";
  const { status, stderr } = spawnSync("unshare", ["--mount", "--pid", "--fork", "true"], {
    encoding: "utf8",
  });
  if (status !== 0) return `namespaces cannot be created (${stderr.trim()})`;
  const name = `kleidi-try-${process.pid}`;
  try {
    makeCgroups(name);
    return undefined;
  } catch (error) {
    return `cgroups cannot be created (${(error as Error).message})`;
  } finally {
    removeCgroups(name);
  }
}

/**
 * For the option `skip` of tests on a machine.
 * @returns false, or the reason, in one line, why they are skipped
 * @throws Error in a CI that runs as root, where they must not be skipped
 */
export function leftOut(): false | string {
  const why = whyNoMachine();
  if (why === undefined) return false;
  if (process.env.CI === "true" && process.getuid?.() === 0)
    throw new Error(`Cannot run this test: ${why}, and CI=true forbids skipping it`);
  return `left out: ${why}`;
}

export class Machine {
  /** The root folder of the test machine, as a path on this machine. */
  readonly root: string;
  /** The path of its cgroups, below the root of each hierarchy. */
  readonly cgroup: string;
  readonly #folder: string;
  readonly #sysctls = SYSCTLS.map((path) => [path, readFileSync(path, "utf8")] as const);
  readonly #children = new Set<ChildProcess>();
  readonly #unshare: ChildProcess;
  readonly #release: () => void;
  #first = 0;

  private constructor(folders: readonly string[], release: () => void) {
    this.#release = release;
    // Short: the path of a socket has at most 107 bytes.
    this.#folder = mkdtempSync(join(tmpdir(), "kleidi-node-"));
    this.root = join(this.#folder, "root");
    this.cgroup = basename(this.#folder);
    mkdirSync(this.root, { mode: 0o755 });
    makeCgroups(this.cgroup);
    const script = join(import.meta.dirname, "machine.sh");
    const namespaces = ["--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--propagation", "private"];
    const program = ["sh", script, this.root, NODE_BIN, ...folders];
    this.#unshare = spawn("unshare", [...namespaces, "--", ...program], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    // If the test process exits early, the test machine ends too. Its folder then remains, and its cgroups until its processes have ended.
    process.once("exit", this.#abandon);
  }

  /**
   * Starts a test machine, after waiting until no other one runs.
   * @param folders of this machine, each bound to /opt/NAME
   */
  static async start(folders: readonly string[] = []): Promise<Machine> {
    const machine = new Machine(folders, takeLock(LOCK, WAIT_MS));
    try {
      await until("process 1 of the machine runs", async () => machine.#find());
    } catch (error) {
      await machine.stop();
      throw error;
    }
    machine.write(
      "/etc/passwd",
      "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    );
    machine.write("/etc/group", "root:x:0:\nnogroup:x:65534:\n");
    machine.write("/etc/hosts", "127.0.0.1 localhost\n");
    machine.write("/etc/resolv.conf", "");
    machine.write("/etc/machine-id", `${randomBytes(16).toString("hex")}\n`);
    return machine;
  }

  /** Converts a path on the test machine to its path on this machine. */
  path(path: string): string {
    return join(this.root, path);
  }

  write(path: string, text: string, mode = 0o644): void {
    mkdirSync(join(this.path(path), ".."), { recursive: true });
    writeFileSync(this.path(path), text, { mode });
  }

  /** Starts a program on the test machine, with its output in /var/log/NAME.log. @returns the process that waits for it */
  spawn(command: readonly string[]): ChildProcess {
    const log = openSync(this.path(`/var/log/${basename(command[0] ?? "")}.log`), "a");
    const child = spawn("nsenter", this.#enter(command), { env: { PATH }, stdio: ["ignore", log, log] });
    closeSync(log);
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    return child;
  }

  /** Runs a program on the test machine. @returns its stdout @throws Error with its stderr */
  run(...command: string[]): string {
    const options = { env: { PATH }, encoding: "utf8", maxBuffer: 1 << 26 } as const;
    const { status, stdout, stderr } = spawnSync("nsenter", this.#enter(command), options);
    if (status === 0) return stdout;
    throw new Error(`${command.join(" ")} gave ${status}:\n${stdout}${stderr}`);
  }

  /** Reads a file in /proc of a process. @param pid in the PID namespace of the test machine */
  proc(pid: number, file: string): string {
    return this.run("cat", `/proc/${pid}/${file}`);
  }

  log(name: string): string {
    return readFileSync(this.path(`/var/log/${name}.log`), "utf8");
  }

  /** Stops all its processes and restores the settings of this machine. */
  async stop(): Promise<void> {
    const isRunning = this.#unshare.exitCode === null && this.#unshare.signalCode === null;
    const exit = isRunning ? once(this.#unshare, "exit") : undefined;
    this.#kill();
    await exit;
    process.off("exit", this.#abandon);
    await until("its cgroups are removed", async () => removeCgroups(this.cgroup), END_MS);
    this.#restore();
    this.#release();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  readonly #abandon = () => {
    this.#kill();
    this.#restore();
    removeCgroups(this.cgroup);
  };

  #restore(): void {
    for (const [path, value] of this.#sysctls)
      if (readFileSync(path, "utf8") !== value) writeFileSync(path, value);
  }

  /** Killing process 1 ends all other processes of its namespace. */
  readonly #kill = () => {
    if (this.#first === 0) this.#unshare.kill("SIGKILL");
    else spawnSync("kill", ["-KILL", String(this.#first)], { stdio: "ignore" });
  };

  /** @returns true once process 1 is pause, which means that the root is mounted */
  #find(): boolean {
    const { pid, exitCode } = this.#unshare;
    if (exitCode !== null) throw new Error(`unshare ended with ${exitCode}`);
    const first = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim());
    if (readFileSync(`/proc/${first}/comm`, "utf8") !== "pause\n") return false;
    this.#first = first;
    return true;
  }

  #enter(command: readonly string[]): string[] {
    return ["--target", String(this.#first), "--mount", "--pid", "--", ...command];
  }
}
