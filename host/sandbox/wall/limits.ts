/** The limits that apply behind every wall: the command words of prlimit and choom (util-linux), before those of the wall. Pure. */
import type { Programs } from "./wall.ts";

/**
 * Writable address space that Node reserves without using it, in bytes, most of it for compiled code. 562 MiB were measured with Node 26, and
 * V8's threads add stacks. RLIMIT_DATA counts it, so it is added to the memory limit of a process.
 */
export const NODE_RESERVES = 640 << 20;

/**
 * Node itself uses 22. Each can hold kernel memory that no other limit counts, and a share of the limit of all processes of a user (epoll
 * watches): with thousands, a process could make the host's next socket fail.
 */
const DESCRIPTORS = 64;

/**
 * @param memoryBytes the memory limit of the process, in bytes, without the address space that Node reserves
 * @param writesFiles true: files may grow
 * @returns the command words before those of the wall; none without the programs
 */
export function limits({ prlimit, choom }: Programs, memoryBytes: number, writesFiles = false): string[] {
  const data = NODE_RESERVES + memoryBytes;
  return [
    // When memory runs out, the kernel kills these before all other processes of the host.
    ...(choom === undefined ? [] : [choom, "-n", "1000", "--"]),
    ...(prlimit === undefined
      ? []
      : [
          prlimit,
          "--core=0:0",
          ...(writesFiles ? [] : ["--fsize=0:0"]),
          `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`,
          `--data=${data}:${data}`,
          "--",
        ]),
  ];
}
