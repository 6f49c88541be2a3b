/** Boots a real systemd in a root, in a container of systemd-nspawn without a network. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { untilWell } from "../support/until-well.ts";
import { unpackRoot } from "./debian-root.ts";

/** The cgroup hierarchies of systemd: version 2, and its own hierarchy next to version 1. */
const HIERARCHIES = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
const ENVIRONMENT = [
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
  "LANG=C.UTF-8",
  "HOME=/root",
  "DEBIAN_FRONTEND=noninteractive",
];
const RUN_MS = 600_000;

export interface Result {
  readonly status: number | null;
  /** stdout and stderr. */
  readonly text: string;
}

export class Machine {
  readonly root = unpackRoot();
  readonly #name = basename(this.root);
  /** nspawn leaves its cgroup folders behind, so each machine has its own parent. */
  readonly #cgroups = HIERARCHIES.filter((each) => existsSync(each)).map((each) => join(each, this.#name));
  #process: ChildProcess | undefined;
  #leader = "";

  /** @param small a folder to mount as a separate file system, and its size in bytes */
  async boot(small?: { path: string; bytes: number }): Promise<void> {
    if (this.#cgroups.length === 0) this.#cgroups.push(join("/sys/fs/cgroup", this.#name));
    for (const each of this.#cgroups) mkdirSync(each);
    const enter = this.#cgroups.map((each) => `echo $$ >'${each}/cgroup.procs'; `).join("");
    const args = [
      ...["--quiet", "--directory", this.root, "--register=no", "--keep-unit", "--private-network"],
      // A real machine has no system call filter around process 1.
      ...["--console=pipe", "--system-call-filter=@known"],
      ...(small === undefined ? [] : [`--tmpfs=${small.path}:size=${small.bytes},mode=755`]),
      "--boot",
    ];
    const env = { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1" };
    this.#process = spawn("sh", ["-c", `${enter}exec systemd-nspawn "$@"`, "sh", ...args], {
      env,
      stdio: "ignore",
    });
    const pid = this.#process.pid ?? 0;
    await untilWell(async () => {
      this.#leader = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
      this.mustRun("test -S /run/systemd/private");
    });
    this.mustRun("systemctl is-system-running --wait");
  }

  /** Runs a command as root in /root. */
  run(command: string): Result {
    const args = ["--target", this.#leader, "--all", "env", "--ignore-environment", ...ENVIRONMENT];
    const { status, stdout, stderr, error } = spawnSync(
      "nsenter",
      [...args, "sh", "-c", `cd /root; ${command}`],
      {
        encoding: "utf8",
        timeout: RUN_MS,
      },
    );
    return { status, text: `${stdout}${stderr}${error?.message ?? ""}`.trim() };
  }

  /** @returns stdout and stderr @throws Error with both if the command fails */
  mustRun(command: string): string {
    const { status, text } = this.run(command);
    if (status === 0) return text;
    throw new Error(`${command} gave ${status}: ${text}`);
  }

  /** Converts a path on the machine to its path for this process. */
  path(path: string): string {
    return `/proc/${this.#leader}/root${path}`;
  }

  async close(): Promise<void> {
    if (this.#process !== undefined && this.#process.exitCode === null) {
      const exited = once(this.#process, "exit");
      // nspawn shuts the machine down.
      this.#process.kill("SIGTERM");
      await exited;
    }
    for (const each of this.#cgroups) removeCgroups(each);
    for (const each of [join("/run/systemd/nspawn/propagate", this.#name), this.root])
      rmSync(each, { recursive: true, force: true });
  }
}

/** The kernel removes cgroup folders by rmdir only, the innermost first. */
function removeCgroups(folder: string): void {
  const inner = globSync("**/", { cwd: folder }).map((each) => join(folder, each));
  for (const each of [folder, ...inner].sort().reverse()) if (existsSync(each)) rmdirSync(each);
}
