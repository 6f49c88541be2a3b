/**
 * setpriv of util-linux 2.41 or later: Landlock protects the files, the seccomp filter everything else (sockets, signals, other processes).
 * It needs no namespaces, so it also works in a pod under RuntimeDefault. Metadata of files stays visible: Landlock does not cover stat.
 */
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
};

function rules(access: string, paths: readonly string[]): string[] {
  return paths.flatMap((path) => ["--landlock-rule", `path-beneath:${access}:${path}`]);
}
