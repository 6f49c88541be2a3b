/** Groups of this machine. */
import { readFileSync } from "node:fs";

/**
 * The number of a group. Node has no getgrnam: groups of a directory service are known by their number alone.
 * @returns undefined where /etc/group does not have the name
 */
export function groupIdOf(group: string | number): number | undefined {
  if (typeof group === "number") return group;
  for (const line of readFileSync("/etc/group", "utf8").split("\n")) {
    const [name, , id] = line.split(":");
    if (name === group && id !== undefined) return Number(id);
  }
  return undefined;
}
