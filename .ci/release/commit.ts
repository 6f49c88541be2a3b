/** Reads the commit of a release through git, independent of the configuration of the user and the machine. */
import { spawnSync } from "node:child_process";
import { ReleaseFault } from "./fault.ts";

/** The commit of a checkout, which may have uncommitted changes. */
export interface Head {
  /** 40 hexadecimal digits. */
  readonly id: string;
  /** The commit time: seconds since 1970. */
  readonly time: number;
  /** The tags that point at it. */
  readonly tags: readonly string[];
  /** The uncommitted changes, as "git status --porcelain" prints them; empty if there are none. */
  readonly changes: string;
}

export interface Commit extends Head {
  /** Every file in it, sorted. */
  readonly files: readonly string[];
  /** @throws ReleaseFault if the commit does not have the file */
  read(path: string): Buffer;
  /**
   * @param folder the single top-level folder of the archive
   * @param files of this commit
   * @param added absolute paths of files that the commit does not have, put in `into`
   * @returns a tar: owner root, modes 0644 and 0755, the time of the commit, its id in the first header
   */
  archive(folder: string, files: readonly string[], added: readonly string[], into: string): Buffer;
}

/** Each of these settings could change a byte of the archive. */
const FIXED = ["tar.umask=0022", "core.attributesFile=/dev/null", "core.autocrlf=false", "core.eol=lf"];
const MAX_BYTES = 256 << 20;

/**
 * @param checkout a git working tree
 * @throws ReleaseFault if the folder is not a checkout
 */
export function readHead(checkout: string): Head {
  const text = (...args: string[]) => git(checkout, args).toString();
  const prefix = text("rev-parse", "--show-prefix").trimEnd();
  if (prefix !== "") {
    throw new ReleaseFault(
      `${checkout} is not a checkout, but the folder ${prefix} of another one; clone the repository`,
    );
  }
  const id = text("rev-parse", "HEAD").trimEnd();
  return {
    id,
    time: Number(text("show", "--no-patch", "--format=%ct", id)),
    tags: lines(text("tag", "--points-at", id)),
    changes: text("status", "--porcelain", "--untracked-files=normal").trimEnd(),
  };
}

/** @returns every file of the working tree that git tracks or would add, sorted, relative to the root */
export function readFiles(checkout: string): string[] {
  const listed = git(checkout, [
    "ls-files",
    "-z",
    "--cached",
    "--others",
    "--exclude-standard",
    "--deduplicate",
  ]);
  return listed.toString().split("\0").slice(0, -1).sort();
}

/** The commit of a release has the tag of its version. The name of any other commit contains its id, to distinguish it from a release. */
export function nameOf(version: string, { id, tags, changes }: Head): string {
  if (changes !== "") return `kleidi-${version}+g${id.slice(0, 12)}.modified`;
  return tags.includes(`v${version}`) ? `kleidi-${version}` : `kleidi-${version}+g${id.slice(0, 12)}`;
}

/**
 * @param checkout a git working tree
 * @throws ReleaseFault if it has uncommitted changes, or is not a checkout
 */
export function readCommit(checkout: string): Commit {
  const head = readHead(checkout);
  const { id, changes } = head;
  if (changes !== "") {
    throw new ReleaseFault(`the checkout has uncommitted changes; commit, stash or remove them:\n${changes}`);
  }
  return {
    ...head,
    files: git(checkout, ["ls-tree", "-r", "-z", "--name-only", id])
      .toString()
      .split("\0")
      .slice(0, -1)
      .sort(),
    read: (path) => git(checkout, ["cat-file", "blob", `${id}:${path}`]),
    archive: (folder, files, added, into) => {
      const others = [`--prefix=${folder}/${into}/`, ...added.map((path) => `--add-file=${path}`)];
      return git(checkout, [
        "archive",
        "--format=tar",
        ...others,
        `--prefix=${folder}/`,
        id,
        "--",
        ...files.map((file) => `:(literal)${file}`),
      ]);
    },
  };
}

function git(cwd: string, args: readonly string[]): Buffer {
  const env = { ...process.env, GIT_ATTR_NOSYSTEM: "1", GIT_NO_REPLACE_OBJECTS: "1", LC_ALL: "C" };
  const options = FIXED.flatMap((each) => ["-c", each]);
  const { status, stdout, stderr, error } = spawnSync("git", [...options, ...args], {
    cwd,
    env,
    maxBuffer: MAX_BYTES,
  });
  if (status === 0) return stdout;
  throw new ReleaseFault(`git ${args[0]} failed: ${(error?.message ?? stderr.toString()).trim()}`);
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "");
