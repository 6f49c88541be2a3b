/** Where the assembled filters are. */
import { join } from "node:path";
import type { Arch } from "./syscalls.ts";

/** @returns the absolute path of an architecture's filter */
export function filterPath(arch: Arch): string {
  return join(import.meta.dirname, `seccomp-${arch}.bpf`);
}
