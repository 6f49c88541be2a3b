/**
 * Plays the host: opens a wall and starts programs behind it, one after the other. It is a separate process so that it can run as another
 * user, and with inherited descriptors. Its argument is a Task as JSON; it prints a Report.
 */
import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { openWall } from "../../host/sandbox/wall/choose.ts";
import type { WallName } from "../../host/sandbox/wall/wall.ts";

export interface Task {
  readonly wall: WallName | "auto";
  readonly programs?: string | undefined;
  readonly memoryBytes: number;
  /** JavaScript that runs in Node behind the wall, without Node's permission model and with FFI; HOST in it is the pid of this process. */
  readonly sources: readonly string[];
}

export interface Ran {
  /** The program's output on descriptor 3. */
  readonly said: string;
  readonly stderr: string;
  /** A signal, or "exit code N". */
  readonly how: string;
}

export interface Report {
  readonly wall: string;
  readonly uid: number;
  readonly ran: readonly Ran[];
}

const task: Task = JSON.parse(readFileSync(0, "utf8"));
const wall = await openWall(
  { wall: task.wall, ...(task.programs !== undefined && { programs: task.programs }) },
  task.memoryBytes,
);
const ran: Ran[] = [];
for (const source of task.sources) ran.push(await run(source.replaceAll("HOST", String(process.pid))));
const report: Report = { wall: wall.name, uid: process.getuid?.() ?? -1, ran };
process.stdout.write(JSON.stringify(report));

async function run(source: string): Promise<Ran> {
  const flags = ["--no-warnings", "--experimental-ffi", "--eval", source];
  const started = wall.start(flags, task.memoryBytes);
  const ended = new Promise<string>((resolve) => {
    started.on("close", (code, signal) => resolve(wall.endOf(code, signal)));
    started.on("error", (error) => resolve(error.message));
  });
  const [said, stderr, how] = await Promise.all([textOf(started.stdio[3]), textOf(started.stderr), ended]);
  return { said, stderr, how };
}

async function textOf(stream: unknown): Promise<string> {
  let text = "";
  (stream as Readable).on("error", () => {});
  try {
    for await (const chunk of stream as Readable) text += String(chunk);
  } catch {}
  return text;
}
