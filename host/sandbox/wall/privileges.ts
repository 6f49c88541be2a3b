/** The privileges that setpriv removes from a process, behind every wall. */

/**
 * @param mayDropBounds whether the host has CAP_SETPCAP, which is needed to empty the bounding set; a program that root starts gets every
 * capability in it
 * @returns options of setpriv
 */
export function withoutPrivileges(mayDropBounds: boolean): string[] {
  return [
    "--no-new-privs",
    ...["--pdeathsig", "KILL"],
    // A systemd unit can give the host capabilities that child processes inherit.
    ...["--inh-caps=-all", "--ambient-caps=-all"],
    ...(mayDropBounds ? ["--bounding-set=-all"] : []),
  ];
}
