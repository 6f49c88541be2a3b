/** Runs containerd 2 with runc on a test machine. */

import { copyFileSync } from "node:fs";
import { basename, join } from "node:path";
import { until } from "../e2e/servers.ts";
import { canOverlay } from "../support/overlay.ts";
import { nameOf } from "./images.ts";
import type { Machine } from "./machine.ts";

export const CRI_SOCKET = "/run/containerd/containerd.sock";
/** The namespace of the kubelet's containers. */
const NAMESPACE = "k8s.io";

export class Containerd {
  readonly #machine: Machine;
  readonly #snapshotter: string;

  constructor(machine: Machine) {
    this.#machine = machine;
    // If overlay cannot be mounted, each container gets a copy of its image.
    this.#snapshotter = canOverlay(machine.root) ? "overlayfs" : "native";
  }

  /** Starts containerd and waits until the kubelet can use it: a kubelet without it exits. */
  async start(): Promise<void> {
    this.#machine.write("/etc/containerd/config.toml", this.#config());
    const process = this.#machine.spawn([
      "/opt/node-bin/containerd",
      "--config",
      "/etc/containerd/config.toml",
    ]);
    await until("containerd answers", async () => {
      if (process.exitCode !== null) throw new Error(`containerd ended:\n${this.#machine.log("containerd")}`);
      return /io\.containerd\.grpc\.v1\s+cri\s.*\sok\s/.test(this.ctr("plugins", "list"));
    });
  }

  /** @param archive an OCI archive, whose image keeps its name */
  import(archive: string): void {
    const name = `/tmp/${basename(archive)}`;
    copyFileSync(archive, this.#machine.path(name));
    this.ctr("images", "import", "--snapshotter", this.#snapshotter, name);
  }

  /** Runs a program in a container. @returns its stdout */
  exec(container: string, ...command: string[]): string {
    return this.ctr("tasks", "exec", "--exec-id", `test-${++this.#execs}`, container, ...command);
  }
  #execs = 0;

  /** The id of a container's process, in the PID namespace of the machine. */
  pidOf(container: string): number {
    const line = this.ctr("tasks", "list")
      .split("\n")
      .find((each) => each.startsWith(container));
    const [, pid = ""] = line?.split(/\s+/) ?? [];
    if (pid === "") throw new Error(`containerd has no process of the container ${container}`);
    return Number(pid);
  }

  ctr(...args: string[]): string {
    return this.#machine.run("/opt/node-bin/ctr", "--address", CRI_SOCKET, "--namespace", NAMESPACE, ...args);
  }

  #config(): string {
    return `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "${CRI_SOCKET}"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "${this.#snapshotter}"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "${nameOf("pause")}"

[plugins."io.containerd.cri.v1.runtime"]
  # In a container, this machine may not give a process a lower score than its own.
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "${join("/usr/sbin", "runc")}"
      SystemdCgroup = false
`;
  }
}
