/** The command line of Node in a provider's process. */
import { GUEST_PATHS, GUEST_PROGRAM } from "./wall/readable.ts";

const PAGE = 65_536;

/** Most of the heap is short-lived garbage. This limit halves the memory, and collection does not cost more. */
const HEAP = ["--max-old-space-size=64"];
/** A heap that is seldom collected: the instances of a module of some megabytes fill the usual one after five calls. */
const ROOMY_HEAP = ["--max-old-space-size=400", "--initial-old-space-size=200"];

/**
 * @param memoryBytes the memory limit of an instance, in bytes, a multiple of 64 KiB
 * @param isRoomy for a process that lives for seconds
 * @returns Node's flags and the guest's program
 */
export function guestArguments(memoryBytes: number, isRoomy = false): string[] {
  return [...confinement(memoryBytes), ...(isRoomy ? ROOMY_HEAP : HEAP), GUEST_PROGRAM];
}

/** @returns Node's flags without the heap's and the program: the layer inside the wall */
export function confinement(memoryBytes: number): string[] {
  return [
    "--permission",
    ...GUEST_PATHS.map((path) => `--allow-fs-read=${path}`),
    // Node warns on stderr, at each start, that the permission model is not a security boundary. Here the wall is the boundary.
    "--disable-warning=SecurityWarning",
    "--disable-warning=ExperimentalWarning",
    "--disallow-code-generation-from-strings",
    // The permission model does not cover this module: it can write any file that the user can write.
    "--no-experimental-sqlite",
    "--no-experimental-ffi",
    "--no-experimental-webstorage",
    "--no-addons",
    // Setting a V8 flag after the start ends the process: such a flag can switch off memory checks or write files.
    "--freeze-flags-after-init",
    "--disable-sigusr1",
    `--wasm-max-mem-pages=${Math.floor(memoryBytes / PAGE)}`,
    // Explicit bounds checks instead of a guard region of gigabytes for each memory: a new instance costs a fifth less.
    "--disable-wasm-trap-handler",
    "--max-semi-space-size=8",
    // WebAssembly memories are outside of that limit, and those of ended instances stay until they are collected.
    "--expose-gc",
  ];
}
