/** A process and its descendants: their CPU time and their memory, from /proc. */
import { readFileSync } from "node:fs";
import { sum } from "./figures.ts";

/** Milliseconds of a clock tick of /proc: USER_HZ is 100 on Linux. */
const TICK_MS = 10;

/** @returns the process and all its descendants, if each was started by a main thread */
export function treeOf(pid: number): number[] {
  const children = textOf(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean);
  return [pid, ...children.flatMap((child) => treeOf(Number(child)))];
}

/** CPU time of all threads, in user and system mode, with that of children that ended, in milliseconds. */
export function cpuMs(pids: readonly number[]): number {
  return sum(pids.map(ticksOf)) * TICK_MS;
}

/** The fields utime, stime, cutime and cstime of proc_pid_stat(5). */
function ticksOf(pid: number): number {
  const stat = textOf(`/proc/${pid}/stat`);
  // The name of the program, in parentheses, may contain spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return sum(fields.slice(11, 15).map(Number));
}

/** Lines of smaps_rollup. The private ones together are what the end of the process gives back. */
const MEMORY = {
  Rss: /^Rss:\s+(\d+)/gm,
  Pss: /^Pss:\s+(\d+)/gm,
  Uss: /^Private_(?:Clean|Dirty):\s+(\d+)/gm,
};

/** Resident, proportional or private memory, summed, in MiB. */
export function memoryMiB(pids: readonly number[], field: keyof typeof MEMORY): number {
  const kib = (pid: number) =>
    sum([...textOf(`/proc/${pid}/smaps_rollup`).matchAll(MEMORY[field])].map(([, value]) => Number(value)));
  return sum(pids.map(kib)) / 1024;
}

/** Empty for a process that has ended. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return "";
    throw error;
  }
}
