/** Runs programs behind a wall, like a host of a given user. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  constants,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { copyWallPrograms } from "../support/debian13.ts";
import { root } from "../support/fixture.ts";
import type { Report, Task } from "./walled-driver.ts";

export const UNPRIVILEGED = 65_534;
const MEMORY = 256 << 20;
const TIMEOUT_MS = 120_000;

/**
 * A copy of the files that a host needs for its walls, readable by every user, with a secret file that only the host may read. Remove it
 * with close().
 */
export class Walled {
  readonly folder = mkdtempSync(join(tmpdir(), "kleidi-walled-"));
  /** A file of the host with mode 0600, owned by the user. */
  readonly secret = join(this.folder, "secret", "kek.key");
  readonly #programs: string | undefined;
  readonly #uid: number | undefined;

  /** @param user the user that the host runs as: the current one, or one without privileges (only root can choose that) */
  constructor(user: "this user" | "an unprivileged user") {
    this.#uid = user === "this user" ? undefined : UNPRIVILEGED;
    for (const path of [
      "package.json",
      "host/error.ts",
      "host/error-table.ts",
      "host/sandbox/wire.mjs",
      "host/sandbox/idle-memory.mjs",
      "host/sandbox/wall",
      "host/sandbox/guest",
      "node_modules/@extism/extism",
      "test/sandbox/walled-driver.ts",
    ]) {
      mkdirSync(dirname(join(this.folder, path)), { recursive: true });
      cpSync(join(root, path), join(this.folder, path), { recursive: true });
    }
    copyFileSync(process.execPath, this.#node, constants.COPYFILE_FICLONE);
    this.#programs = copyWallPrograms(join(this.folder, "programs"));
    mkdirSync(dirname(this.secret), { mode: 0o700 });
    writeFileSync(this.secret, "the KEK", { mode: 0o600 });
    chmodSync(this.folder, 0o755);
    const owned = ["-R", `${this.#uid}:${this.#uid}`, dirname(this.secret)];
    if (this.#uid !== undefined) spawnSync("chown", owned, { stdio: "inherit" });
  }

  get #node(): string {
    return join(this.folder, "node");
  }

  /**
   * @param inherited descriptors on which the host inherits the secret, open for reading
   * @throws Error with the host's output where it ended otherwise
   */
  run(
    task: Omit<Task, "memoryBytes" | "programs"> & Partial<Task>,
    inherited: readonly number[] = [],
  ): Report {
    const redirected = inherited.map((descriptor) => `${descriptor}<'${this.secret}'`).join(" ");
    const { stdout, stderr, status } = spawnSync(
      "bash",
      [
        "-c",
        `exec "$@" ${redirected}`,
        "bash",
        this.#node,
        "--no-warnings",
        join(this.folder, "test/sandbox/walled-driver.ts"),
      ],
      {
        cwd: "/",
        encoding: "utf8",
        input: JSON.stringify({ memoryBytes: MEMORY, programs: this.#programs, ...task }),
        timeout: TIMEOUT_MS,
        ...(this.#uid !== undefined && { uid: this.#uid, gid: this.#uid }),
      },
    );
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
