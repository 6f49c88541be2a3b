/**
 * bubblewrap: separate namespaces, and a read-only file system with Node, its libraries and the guest's program. No cgroup namespace: it
 * would change what files show that are not mounted (docs/decisions/0020-wall-of-the-operating-system.md).
 * Its process 1 waits for Node. When the host or bubblewrap's own process exits, process 1 exits, and with it every process in the namespace,
 * whatever Node did to its own parent-death signal (a thread that calls execve loses it). Needs user namespaces. It mounts neither /proc,
 * which containers forbid, nor /dev; Node works without both.
 */
import type { WallKind } from "./wall.ts";

const FILTER = 4;
const NAMESPACES = ["user-try", "ipc", "pid", "net", "uts"];

export const bubblewrap: WallKind = {
  name: "bubblewrap",
  needs: ["bwrap", "prlimit", "choom"],
  keeps: "no other files, no network, no other processes, system calls filtered",
  nodeArguments: [],
  filterDescriptor: FILTER,
  command: ({ bwrap = "bwrap" }, { readable: { executable, files, folders } }) => [
    bwrap,
    ...NAMESPACES.map((name) => `--unshare-${name}`),
    "--die-with-parent",
    "--new-session",
    "--clearenv",
    ...["--cap-drop", "ALL"],
    ...["--seccomp", String(FILTER)],
    ...[...executable, ...files, ...folders].flatMap((path) => ["--ro-bind", path, path]),
    ...["--remount-ro", "/"],
    ...["--chdir", "/"],
    "--",
  ],
  nativeCommand: ({ bwrap = "bwrap" }, { readable: { executable, files, folders }, access }) => [
    bwrap,
    ...NAMESPACES.filter((name) => name !== "net" || !access.network).map((name) => `--unshare-${name}`),
    "--die-with-parent",
    "--new-session",
    "--clearenv",
    ...["--cap-drop", "ALL"],
    ...[...executable, ...files, ...folders].flatMap((path) => ["--ro-bind", path, path]),
    ...access.reads.flatMap((path) => ["--ro-bind", path, path]),
    ...access.writes.flatMap((path) => ["--bind", path, path]),
    ...["--remount-ro", "/"],
    ...["--chdir", "/"],
    "--",
  ],
};
