/** The CPU time of a process, from /proc (proc_pid_schedstat in the kernel's Documentation/scheduler/sched-stats.rst). */
import { readdirSync, readFileSync } from "node:fs";

const NS_PER_MS = 1_000_000;

/** @returns milliseconds of CPU of a process and its descendants, all living threads; undefined if the kernel does not count them */
export function cpuMs(pid: number): number | undefined {
  const times = treeOf(pid).flatMap(threadsOf).map(nanosecondsOf);
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, time) => sum + time, 0) / NS_PER_MS;
}

function treeOf(pid: number): number[] {
  const children = (textOf(`/proc/${pid}/task/${pid}/children`) ?? "").split(" ").filter(Boolean);
  return [pid, ...children.flatMap((child) => treeOf(Number(child)))];
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`);
  } catch {
    // it has ended
    return [];
  }
}

/** The first number of schedstat: time on a processor. */
function nanosecondsOf(thread: string): number | undefined {
  const text = textOf(`${thread}/schedstat`);
  return text === undefined ? undefined : Number(text.split(" ")[0]);
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // a thread or a process that has ended, or a kernel without the file
    return undefined;
  }
}
