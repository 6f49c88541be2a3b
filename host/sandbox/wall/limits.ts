/** What is limited whatever the wall: the words of prlimit and choom (util-linux) before those of the wall. Pure. */
import type { Programs } from "./wall.ts";

/**
 * Writable address space that Node reserves without using it, most of it for compiled code: 562 MiB were measured with Node 26, and V8's
 * threads add stacks. RLIMIT_DATA counts it, so it is added to what a process may use.
 */
export const NODE_RESERVES = 640 << 20;

/**
 * Node has 22 of its own. Each can stand for memory of the kernel that no other limit counts, and for a share of what all processes of a
 * user may have together (watches of epoll): with thousands, a process could make the host's next socket fail.
 */
const DESCRIPTORS = 64;

/**
 * @param memoryBytes what the process may use beside what Node reserves
 * @returns the words before the wall's; without the programs, none
 */
export function limits({ prlimit, choom }: Programs, memoryBytes: number): string[] {
  const data = NODE_RESERVES + memoryBytes;
  return [
    // Of all processes of the host the kernel ends these first when memory runs out.
    ...(choom === undefined ? [] : [choom, "-n", "1000", "--"]),
    ...(prlimit === undefined
      ? []
      : [
          prlimit,
          "--core=0:0",
          "--fsize=0:0",
          `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`,
          `--data=${data}:${data}`,
          "--",
        ]),
  ];
}
