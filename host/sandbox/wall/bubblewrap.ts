/**
 * bubblewrap: namespaces of its own for everything, and a file system that holds Node, its libraries and the guest's program, read-only.
 * Needs user namespaces. It mounts no /proc and no /dev: containers forbid the first, and Node does without either.
 */
import type { WallKind } from "./wall.ts";

const FILTER = 4;

export const bubblewrap: WallKind = {
  name: "bubblewrap",
  needs: ["bwrap"],
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
    // Without a reaper of its own as process 1: the filter would end it, and it is 2 MB.
    "--as-pid-1",
    ...["--seccomp", String(FILTER)],
    ...[...executable, ...files, ...folders].flatMap((path) => ["--ro-bind", path, path]),
    ...["--remount-ro", "/"],
    ...["--chdir", "/"],
    "--",
  ],
};
