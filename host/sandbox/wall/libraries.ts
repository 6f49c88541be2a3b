/** The files that Node is made of: its executable, and each shared library under every name that the loader asks for. */
import { existsSync, readFileSync, realpathSync } from "node:fs";

/**
 * Read off this process, which runs the same Node: what is mapped into it is what it was linked with.
 * @param maps /proc/self/maps
 * @returns absolute paths, the loader's own among them
 */
export function librariesOf(maps: string = readFileSync("/proc/self/maps", "utf8")): string[] {
  const mapped = maps.split("\n").map((line) => /\s(\/.*\.so(?:\.[^/ ]*)?)$/.exec(line)?.[1]);
  const files = [...new Set(mapped.filter((path) => path !== undefined))];
  return [...new Set([...files.flatMap(namesOf), ...LOADERS.filter((path) => existsSync(path))])];
}

/** Where the kernel looks for the loader of an executable (PT_INTERP), which may be a link. */
const LOADERS = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];

/** `/usr/lib/libstdc++.so.6.0.30` is asked for as `libstdc++.so.6`, a link beside it. */
function namesOf(file: string): string[] {
  const names = [file];
  for (let name = file; /\.so\..*\.[^./]+$/.test(name); ) {
    name = name.replace(/\.[^./]+$/, "");
    if (existsSync(name) && realpathSync(name) === realpathSync(file)) names.push(name);
  }
  return names;
}
