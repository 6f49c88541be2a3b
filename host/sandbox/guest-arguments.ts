/** What Node is started with in a provider's process. */
import { GUEST_PATHS, GUEST_PROGRAM } from "./wall/readable.ts";

const PAGE = 65_536;

/**
 * @param memoryBytes the most memory of an instance, a multiple of 64 KiB
 * @returns Node's flags and the guest's program
 */
export function guestArguments(memoryBytes: number): string[] {
  return [...confinement(memoryBytes), GUEST_PROGRAM];
}

/** The flags that a provider's process is started with, before its program: the layer inside the wall. */
export function confinement(memoryBytes: number): string[] {
  return [
    "--permission",
    ...GUEST_PATHS.map((path) => `--allow-fs-read=${path}`),
    // The permission model is announced as one layer, not a wall; Node says so on stderr each time.
    "--disable-warning=SecurityWarning",
    "--disable-warning=ExperimentalWarning",
    "--disallow-code-generation-from-strings",
    // The permission model does not guard this module: it writes wherever the user may.
    "--no-experimental-sqlite",
    "--no-experimental-ffi",
    "--no-experimental-webstorage",
    "--no-addons",
    // Node's own are set by now. A flag that is set later can switch off checks of memory, or write files: it ends the process.
    "--freeze-flags-after-init",
    "--disable-sigusr1",
    `--wasm-max-mem-pages=${Math.floor(memoryBytes / PAGE)}`,
    // Explicit bounds checks instead of a guard region of gigabytes around each memory: a fresh instance costs a fifth less.
    "--disable-wasm-trap-handler",
    // Most of a process's memory is garbage of short life: bounded, it stays at half, and collecting it costs no more than this.
    "--max-semi-space-size=8",
    "--max-old-space-size=64",
    // Memories of guests lie outside of that bound, and instances that are gone keep theirs until they are collected.
    "--expose-gc",
  ];
}
