/** A process and its descendants: their CPU time and their memory, from /proc. */
import { readdirSync, readFileSync } from "node:fs";
import { sum } from "./figures.ts";

/** Milliseconds of a clock tick of /proc: USER_HZ is 100 on Linux. */
const TICK_MS = 10;

/** @returns the process and all its descendants */
export function treeOf(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean),
  );
  return [pid, ...children.flatMap((child) => treeOf(Number(child)))];
}

/** CPU time of all threads, in user and system mode, with that of children that ended, in milliseconds. */
export function cpuMs(pids: readonly number[]): number {
  return sum(pids.map(ticksOf)) * TICK_MS;
}

/** The fields utime, stime, cutime and cstime of proc_pid_stat(5). */
function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name of the program, in parentheses, may contain spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return sum(fields.slice(11, 15).map(Number));
}

/** Resident or proportional memory, summed, in MiB. */
export function memoryMiB(pids: readonly number[], field: "Rss" | "Pss"): number {
  const pattern = new RegExp(`^${field}:\\s+(\\d+)`, "m");
  return sum(
    pids.map((pid) => Number(pattern.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]) / 1024),
  );
}
