/** What setpriv takes from a process whatever the wall. */

/** @param asRoot as root a program gets every capability of the bounding set; only root can empty that */
export function withoutPrivileges(asRoot: boolean): string[] {
  return [
    "--no-new-privs",
    ...["--pdeathsig", "KILL"],
    ...(asRoot ? ["--bounding-set=-all", "--inh-caps=-all"] : []),
  ];
}
