/** Walls for tests: the one that a host on this machine would use, and stand-ins for an untrusted process. */
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Wall } from "../../host/sandbox/wall/build.ts";
import { openWall } from "../../host/sandbox/wall/choose.ts";

let opened: Promise<Wall> | undefined;

/** The strongest wall that works here, tested once for each test file. */
export function theWall(): Promise<Wall> {
  opened ??= openWall({ wall: "auto" }, 256 << 20);
  return opened;
}

/** Starts another program in place of Node with the guest's program. */
export function standIn(start: () => ChildProcess): Pick<Wall, "start" | "endOf"> {
  return { start, endOf: (code, signal) => signal ?? `exit code ${code}` };
}

/** The pid of Node in a wall. Two processes of bubblewrap are its ancestors. */
export function nodePid(pid: number): number {
  if (readFileSync(`/proc/${pid}/comm`, "utf8") !== "bwrap\n") return pid;
  return nodePid(Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim()));
}
