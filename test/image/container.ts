/** Runs the image in podman with the flags of docs/image.md, with the files of a node in a separate folder. */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { podman, tryPodman } from "../support/containers.ts";
import { localModule, sha256Of } from "../support/fixture.ts";
import { IMAGE } from "./images.ts";
import { commandOf } from "./page.ts";

export const USER = 65532;
export const SOCKET_GROUP = 65533;
export const MAIN = "/opt/kleidi/host/main.js";

const CONFIG = {
  apiVersion: "kleidi.dev/v1",
  listen: { socket: "/run/kleidi/kms.sock", mode: "0660", group: SOCKET_GROUP },
  keystore: { directory: "/var/lib/kleidi/keys" },
  keys: [{ name: "kek", provider: "local", use: "active" }],
};

/**
 * Makes the folders that docs/image.md lists, with a configuration of the local provider.
 * @param changes keys of the configuration
 */
export function makeNodeFiles(folder: string, changes: Readonly<Record<string, unknown>> = {}): void {
  make(join(folder, "etc/kleidi"), 0, USER, 0o750);
  make(join(folder, "var/lib/kleidi"), USER, USER, 0o750);
  make(join(folder, "var/lib/kleidi/keys"), USER, USER, 0o700);
  make(join(folder, "run/kleidi"), USER, SOCKET_GROUP, 0o2750);
  const grants = { keystore: { keys: ["kek"] } };
  const module = "/opt/kleidi/providers/local.wasm";
  const providers = { local: { module, sha256: sha256Of(localModule), grants } };
  const file = join(folder, "etc/kleidi/kleidi.yaml");
  writeFileSync(file, JSON.stringify({ ...CONFIG, providers, ...changes }));
  chownSync(file, 0, USER);
  chmodSync(file, 0o640);
}

/** Makes a folder with an owner, a group and a mode, independent of the umask. */
function make(path: string, uid: number, gid: number, mode: number): void {
  mkdirSync(path, { recursive: true });
  chownSync(path, uid, gid);
  chmodSync(path, mode);
}

export class HardenedContainer {
  readonly folder = mkdtempSync(join(tmpdir(), "kleidi-image-"));
  readonly name = basename(this.folder);
  readonly socket = join(this.folder, "run/kleidi/kms.sock");

  constructor() {
    makeNodeFiles(this.folder);
  }

  /** Runs a command of kleidí in a new container. @returns its stdout */
  run(...command: string[]): string {
    return podman("run", "--rm", ...this.#flags(), IMAGE, ...command);
  }

  /** The arguments of podman that run only Node in a container with the same flags. */
  nodeCommand(...args: string[]): string[] {
    return ["run", "--rm", "--entrypoint", "/usr/local/bin/node", ...this.#flags(), IMAGE, ...args];
  }

  /** Starts the host without waiting until it is ready. */
  serve(): void {
    podman("run", "--detach", "--name", this.name, ...this.#flags(), IMAGE, "serve");
  }

  /** Stops the host and removes its container. */
  stop(): void {
    tryPodman("rm", "--force", "--time", "0", this.name);
  }

  /** Runs Node in the container of the host. */
  exec(...args: string[]): string {
    return podman("exec", this.name, "node", ...args);
  }

  /** Calls Status as another user than the host's, in a container with the same flags and these groups. */
  askAs(uid: number, groups: readonly number[]) {
    const flags = this.#flags();
    const at = flags.indexOf("--user");
    // --user UID:GID --group-add GID
    flags.splice(at, 4, "--user", `${uid}:${uid}`, ...groups.flatMap((each) => ["--group-add", `${each}`]));
    return tryPodman("run", "--rm", ...flags, IMAGE, "healthcheck", "--socket", "/run/kleidi/kms.sock");
  }

  close(): void {
    this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The flags from the page, with the folders of this node. */
  #flags(): string[] {
    const words = commandOf("podman run").slice("podman run --detach --name kleidi".split(" ").length);
    return words.slice(0, -2).map((each) => (each.startsWith("/") ? `${this.folder}${each}` : each));
  }
}
