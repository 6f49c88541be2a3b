/** The paths of the assembled filters. */
import { join } from "node:path";
import type { Arch } from "./syscalls.ts";

/** @returns the absolute path of the filter for an architecture */
export function filterPath(arch: Arch): string {
  return join(import.meta.dirname, `seccomp-${arch}.bpf`);
}
