/**
 * setpriv of util-linux 2.41 or later: Landlock protects the files, the seccomp filter everything else (sockets, signals, other processes).
 * It needs no namespaces, so it also works in a pod under RuntimeDefault. Metadata of files stays visible: Landlock does not cover stat.
 */
import { statSync } from "node:fs";
import { withoutPrivileges } from "./privileges.ts";
import type { WallKind } from "./wall.ts";

export const landlock: WallKind = {
  name: "landlock",
  needs: ["setpriv", "prlimit", "choom"],
  keeps:
    "no other files (names and sizes can be seen), no sockets, no signals, no other processes, system calls filtered",
  // Node exits if OpenSSL's configuration exists and cannot be read.
  nodeArguments: ["--openssl-config=/dev/null"],
  command: ({ setpriv = "setpriv" }, { readable: { executable, files, folders }, filter, mayDropBounds }) => [
    // Twice: setpriv loads the filter before it drops privileges, and this filter denies that.
    ...[setpriv, ...withoutPrivileges(mayDropBounds), "--"],
    setpriv,
    ...["--landlock-access", "fs"],
    ...rules("read-file,execute", executable),
    ...rules("read-file", [...files, "/dev/null"]),
    ...rules("read-file,read-dir", folders),
    ...["--seccomp-filter", filter],
    "--",
  ],
  // Landlock also denies ptrace of processes outside of it (landlock(7)), but neither signals nor sockets.
  nativeCommand: (
    { setpriv = "setpriv" },
    { readable: { executable, files, folders }, access, mayDropBounds },
  ) => [
    ...[setpriv, ...withoutPrivileges(mayDropBounds), "--"],
    ...[setpriv, "--landlock-access", "fs"],
    ...rules("read-file,execute", executable),
    ...rules("read-file", [...files, "/dev/null"]),
    ...rules("read-file,read-dir,execute", folders),
    ...access.reads.flatMap((path) => rules(isFolder(path) ? "read-file,read-dir" : "read-file", [path])),
    ...rules(WRITE, access.writes),
    "--",
  ],
};

const WRITE = "read-file,read-dir,write-file,make-reg,make-dir,remove-file,remove-dir,truncate";

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function rules(access: string, paths: readonly string[]): string[] {
  return paths.flatMap((path) => ["--landlock-rule", `path-beneath:${access}:${path}`]);
}
