/** Finds the shared libraries of Node, each under every name that the loader looks up. */
import { existsSync, readFileSync, realpathSync } from "node:fs";

/**
 * Reads the mappings of this process, which runs the same Node: the mapped libraries are the linked ones.
 * @param maps /proc/self/maps
 * @returns absolute paths, including that of the loader
 */
export function librariesOf(maps: string = readFileSync("/proc/self/maps", "utf8")): string[] {
  const mapped = maps.split("\n").map((line) => /\s(\/.*\.so(?:\.[^/ ]*)?)$/.exec(line)?.[1]);
  const files = [...new Set(mapped.filter((path) => path !== undefined))];
  return [...new Set([...files.flatMap(namesOf), ...LOADERS.filter((path) => existsSync(path))])];
}

/** The paths of the loader in executables (PT_INTERP), which can be links. */
const LOADERS = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];

/** The loader looks up `/usr/lib/libstdc++.so.6.0.30` as `libstdc++.so.6`, a link beside it. */
function namesOf(file: string): string[] {
  const names = [file];
  for (let name = file; /\.so\..*\.[^./]+$/.test(name); ) {
    name = name.replace(/\.[^./]+$/, "");
    if (existsSync(name) && realpathSync(name) === realpathSync(file)) names.push(name);
  }
  return names;
}
