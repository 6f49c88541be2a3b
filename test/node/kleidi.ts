/** Sets up kleidí on a node: its files and key, and the pod and the EncryptionConfiguration from `kleidi render`. */
import { execFileSync } from "node:child_process";
import { MAIN, makeNodeFiles, USER } from "../image/container.ts";
import { IMAGE } from "../image/images.ts";
import { kleidi } from "../support/fixture.ts";
import { writeKubeadmApiServer } from "./kubeadm.ts";
import { type ContainerStatus, MANIFESTS } from "./kubelet.ts";
import type { Machine } from "./machine.ts";
import type { TestNode } from "./node.ts";

const CONFIG = "/etc/kleidi/kleidi.yaml";
export const POD = `${MANIFESTS}/kleidi.yaml`;

/** Writes kleidí's files on a node and renders the files of the kubelet and the API server. */
export function install(node: TestNode, image: string): void {
  makeNodeFiles(node.machine.root);
  render(node.machine, "encryption-config");
  render(node.machine, "static-pod", "--image", image);
  finish(node);
}

/** The same for kleidí in the API server's pod, whose manifest kubeadm writes. @param adminPort the port of the probed listener */
export function installSidecar(node: TestNode, image: string, adminPort: number): void {
  makeNodeFiles(node.machine.root, { admin: { listen: `127.0.0.1:${adminPort}` } });
  render(node.machine, "kubeadm", "--form", "sidecar", "--image", image);
  finish(node);
  writeKubeadmApiServer(node);
}

function finish(node: TestNode): void {
  // Run the commands that render prints for its files.
  node.machine.run("systemd-sysusers", "kleidi.conf");
  node.machine.run("systemd-tmpfiles", "--create", "kleidi.conf");
  initKey(node);
}

export function render(machine: Machine, form: string, ...options: string[]): void {
  const args = ["render", form, "--config", machine.path(CONFIG), "--out", machine.root, ...options];
  execFileSync(kleidi, args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** Creates the key in a container, as the user of the pod. */
function initKey({ containerd }: TestNode): void {
  const mounts = ["/etc/kleidi", "/var/lib/kleidi"].flatMap((path) => [
    "--mount",
    `type=bind,src=${path},dst=${path},options=rbind:rw`,
  ]);
  const command = ["/usr/local/bin/node", MAIN, "key", "init"];
  containerd.ctr("run", "--rm", "--user", `${USER}:${USER}`, ...mounts, IMAGE, "key-init", ...command);
}

/** Runs a command of kleidí in its pod. */
export function runInPod(node: TestNode, { id }: ContainerStatus, ...command: string[]): string {
  return node.containerd.exec(id, "/usr/local/bin/node", MAIN, ...command);
}
