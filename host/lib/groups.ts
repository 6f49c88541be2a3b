/** Local user groups. */
import { readFileSync } from "node:fs";

/**
 * Resolves a group name to its id. Node has no getgrnam, so a group of a directory service must be given by its id.
 * @param group a name in /etc/group, or an id, which is returned unchanged
 * @returns the id; undefined if /etc/group does not have the name
 */
export function groupIdOf(group: string | number): number | undefined {
  if (typeof group === "number") return group;
  for (const line of readFileSync("/etc/group", "utf8").split("\n")) {
    const [name, , id] = line.split(":");
    if (name === group && id !== undefined) return Number(id);
  }
  return undefined;
}
