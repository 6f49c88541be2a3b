/**
 * Runs a program in its own network and mount namespace: the C library's own resolver resolves names as a test defines, and nothing of this
 * machine changes.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { requireDebian } from "./debian.ts";

export interface Names {
  /** The content of its /etc/hosts. */
  readonly hosts: string;
  /** The content of its /etc/resolv.conf. */
  readonly resolv: string;
}

const SET_UP = `
ip link set lo up
mount --bind "$1" /etc/hosts
mount --bind "$2" /etc/resolv.conf
shift 2
exec "$@"
`;

/** @param folder the test's own folder, for the two files */
export function spawnWithNames(
  folder: string,
  { hosts, resolv }: Names,
  command: readonly string[],
): ChildProcess {
  requireDebian(["iproute2"]);
  const files = [join(folder, "hosts"), join(folder, "resolv.conf")] as const;
  writeFileSync(files[0], hosts);
  writeFileSync(files[1], resolv);
  const inside = ["sh", "-e", "-c", SET_UP, "sh", ...files, ...command];
  return spawn("unshare", ["--map-root-user", "--mount", "--net", ...inside], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}
