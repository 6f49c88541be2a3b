/**
 * bubblewrap: namespaces of its own for everything, and a file system that holds Node, its libraries and the guest's program, read-only.
 * Its process 1 waits for Node: when the host or bubblewrap's own process ends, so does it, and with it every process in there, whatever
 * Node did to its own parent-death signal (a thread that calls execve has none). Needs user namespaces. It mounts no /proc and no /dev: containers forbid the first, and Node does without either.
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
