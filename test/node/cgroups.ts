/** Creates a separate cgroup in every hierarchy, version 1 and 2. It contains only pods. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = "/sys/fs/cgroup";

/** @throws the system's error if a hierarchy is not writable */
export function makeCgroups(name: string): void {
  for (const hierarchy of hierarchies()) {
    const folder = join(hierarchy, name);
    mkdirSync(folder);
    // Version 1: a new cpuset is empty, and no process can enter it.
    for (const file of ["cpuset.cpus", "cpuset.mems"])
      if (hierarchy.endsWith("/cpuset"))
        writeFileSync(join(folder, file), readFileSync(join(hierarchy, file)));
  }
}

/** Removes the cgroups and their children. @returns false if a process is still in one of them */
export function removeCgroups(name: string): boolean {
  return hierarchies()
    .map((hierarchy) => remove(join(hierarchy, name)))
    .every(Boolean);
}

function remove(folder: string): boolean {
  if (!existsSync(folder)) return true;
  const below = readdirSync(folder, { withFileTypes: true }).filter((each) => each.isDirectory());
  const isEmpty = below.map(({ name }) => remove(join(folder, name))).every(Boolean);
  try {
    if (isEmpty) rmdirSync(folder);
    return isEmpty;
  } catch {
    return !existsSync(folder);
  }
}

/** The roots of all hierarchies: one with version 2, one for each group of controllers with version 1. */
function hierarchies(): string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(" ")[4] ?? "");
  return [...new Set(mounts)].filter((path) => path.startsWith(ROOT));
}
