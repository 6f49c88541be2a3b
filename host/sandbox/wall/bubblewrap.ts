/**
 * bubblewrap: separate namespaces of every kind, and a read-only file system with Node, its libraries and the guest's program.
 * Its process 1 waits for Node. When the host or bubblewrap's own process exits, process 1 exits, and with it every process in the namespace,
 * whatever Node did to its own parent-death signal (a thread that calls execve loses it). Needs user namespaces. It mounts neither /proc,
 * which containers forbid, nor /dev; Node works without both.
 */
import type { WallKind } from "./wall.ts";

const FILTER = 4;

export const bubblewrap: WallKind = {
  name: "bubblewrap",
  needs: ["bwrap", "prlimit", "choom"],
  keeps: "no other files, no network, no other processes, system calls filtered",
  nodeArguments: [],
  filterDescriptor: FILTER,
  command: ({ bwrap = "bwrap" }, { readable: { executable, files, folders } }) => [
    bwrap,
    "--unshare-all",
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
};
