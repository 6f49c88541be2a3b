/** A machine: a root in which a real systemd is booted, in a container of systemd-nspawn without a network. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { untilWell } from "../support/until-well.ts";
import { unpackRoot } from "./debian-root.ts";

/** The hierarchies that systemd moves its processes in: version 2, and the one that systemd has beside version 1. */
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
  /** nspawn leaves its folders of cgroups behind: it gets a parent of this machine's own. */
  readonly #cgroups = HIERARCHIES.filter((each) => existsSync(each)).map((each) => join(each, this.#name));
  #process: ChildProcess | undefined;
  #leader = "";

  /** @param small a folder that is a file system of its own, of so many bytes */
  async boot(small?: { path: string; bytes: number }): Promise<void> {
    if (this.#cgroups.length === 0) this.#cgroups.push(join("/sys/fs/cgroup", this.#name));
    for (const each of this.#cgroups) mkdirSync(each);
    const enter = this.#cgroups.map((each) => `echo $$ >'${each}/cgroup.procs'; `).join("");
    const args = [
      ...["--quiet", "--directory", this.root, "--register=no", "--keep-unit", "--private-network"],
      // A machine has no filter of system calls around its process 1.
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

  /** @returns stdout and stderr @throws Error with them where the command fails */
  mustRun(command: string): string {
    const { status, text } = this.run(command);
    if (status === 0) return text;
    throw new Error(`${command} gave ${status}: ${text}`);
  }

  /** A path of the machine, as this process sees it. */
  path(path: string): string {
    return `/proc/${this.#leader}/root${path}`;
  }

  async close(): Promise<void> {
    if (this.#process !== undefined && this.#process.exitCode === null) {
      const exited = once(this.#process, "exit");
      // nspawn powers the machine off.
      this.#process.kill("SIGTERM");
      await exited;
    }
    for (const each of this.#cgroups) removeCgroups(each);
    for (const each of [join("/run/systemd/nspawn/propagate", this.#name), this.root])
      rmSync(each, { recursive: true, force: true });
  }
}

/** The kernel removes a folder of cgroups by rmdir alone, the innermost first. */
function removeCgroups(folder: string): void {
  const inner = globSync("**/", { cwd: folder }).map((each) => join(folder, each));
  for (const each of [folder, ...inner].sort().reverse()) if (existsSync(each)) rmdirSync(each);
}
