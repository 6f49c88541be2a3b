/** Makes checkouts of this working tree for tests. Their commit is always the same. */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "..", "..");
/** Files that are not in git, or not part of the project. */
const LEFT_OUT = [".git", ".kleidi", ".tmp", "node_modules"];
/** The id of a commit depends on all of these. */
const WHO = Object.fromEntries(
  ["AUTHOR", "COMMITTER"].flatMap((role) => [
    [`GIT_${role}_NAME`, "Somebody"],
    [`GIT_${role}_EMAIL`, "somebody@example.org"],
    [`GIT_${role}_DATE`, "2026-06-01T12:00:00Z"],
  ]),
);

export class Checkout {
  readonly path: string;

  /** @param name of the folder */
  constructor(name: string) {
    this.path = join(mkdtempSync(join(tmpdir(), "kleidi-release-")), name);
    mkdirSync(this.path);
    for (const each of readdirSync(root))
      if (!LEFT_OUT.includes(each)) cpSync(join(root, each), join(this.path, each), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(this.path, "node_modules"));
    // Reuse the modules that were built here; the release compares their digests anyway.
    for (const each of readdirSync(join(this.path, "providers")))
      if (each.endsWith(".wasm")) utimesSync(join(this.path, "providers", each), new Date(), new Date());
    this.git("init", "--quiet", "--template=");
    mkdirSync(join(this.path, ".git", "info"));
    writeFileSync(join(this.path, ".git", "info", "exclude"), "node_modules\n");
    this.commit();
  }

  commit(): void {
    this.git("add", "--all");
    this.git("commit", "--quiet", "--message", "a commit");
  }

  git(...args: string[]): string {
    const env = { ...process.env, ...WHO, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
    const { status, stdout, stderr } = spawnSync("git", args, { cwd: this.path, env, encoding: "utf8" });
    if (status !== 0) throw new Error(`git ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Returns a new path next to the checkout. */
  beside(name: string): string {
    return join(dirname(this.path), name);
  }

  /** Runs the release program of this checkout. */
  release(
    args: readonly string[],
    { umask = "0022", env = {} }: { umask?: string; env?: NodeJS.ProcessEnv } = {},
  ) {
    const script = `umask ${umask}; exec "$0" .ci/release/main.ts "$@"`;
    return spawnSync("sh", ["-c", script, process.execPath, ...args], {
      cwd: this.path,
      encoding: "utf8",
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    });
  }

  remove(): void {
    rmSync(dirname(this.path), { recursive: true, force: true });
  }
}
