/** The version of a package. */

/**
 * A commit without the tag of its version sorts before the release, and after the commits before it: `~` sorts before everything.
 * @param name of the dist: kleidi-0.1.0, or kleidi-0.1.0+gCOMMIT
 * @param time of the commit, in seconds since 1970
 * @example packageVersion("kleidi-0.1.0+g0123456789ab", 0) // "0.1.0~19700101T000000.g0123456789ab"
 */
export function packageVersion(name: string, time: number): string {
  const [release = "", commit] = name.replace(/^kleidi-/, "").split("+");
  if (commit === undefined) return release;
  const at = new Date(time * 1000).toISOString().replace(/\.\d+Z$/, "");
  return `${release}~${at.replaceAll(/[-:]/g, "")}.${commit}`;
}
