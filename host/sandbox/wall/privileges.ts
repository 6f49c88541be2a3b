/** What setpriv takes from a process whatever the wall. */

/** @param mayDropBounds a program of root gets every capability of the bounding set; who has CAP_SETPCAP can empty that */
export function withoutPrivileges(mayDropBounds: boolean): string[] {
  return [
    "--no-new-privs",
    ...["--pdeathsig", "KILL"],
    // A unit may have given the host capabilities that are inherited.
    ...["--inh-caps=-all", "--ambient-caps=-all"],
    ...(mayDropBounds ? ["--bounding-set=-all"] : []),
  ];
}
