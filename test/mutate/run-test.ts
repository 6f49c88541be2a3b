/** Runs one test file in a copy of the tree, for a bounded time, in its own process group; leftover processes are ended. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { TreeCopy } from "./copy.ts";

export interface TestRun {
  readonly ok: boolean;
  /** Names of the tests that failed. */
  readonly failed: readonly string[];
  /** False where the changed file could not be read as a program. */
  readonly compiled: boolean;
  readonly ms: number;
}

const MAX_OUTPUT = 4 << 20;
const NOT_COMPILED = /ERROR (TS|AS)\d|ERR_(INVALID|UNSUPPORTED)_TYPESCRIPT/;
const TOO_LONG = "(over the time limit)";

export async function runTest(
  copy: TreeCopy,
  test: string,
  limitMs: number,
  signal: AbortSignal,
): Promise<TestRun> {
  const begun = performance.now();
  const { status, output, late } = await run(copy, ["--test-reporter=tap", test], limitMs, signal);
  const names = [...output.matchAll(/^\s*not ok \d+ - (.*)$/gm)].map(([, name]) => `${name}`);
  return {
    ok: status === 0,
    failed: late ? [TOO_LONG] : names,
    compiled: !NOT_COMPILED.test(output),
    ms: performance.now() - begun,
  };
}

/** Whether the complete copy passes the type check. */
export async function compiles(copy: TreeCopy, tsc: string, signal: AbortSignal): Promise<boolean> {
  return (await run(copy, [tsc, "--noEmit"], 120_000, signal)).status === 0;
}

async function run(copy: TreeCopy, args: readonly string[], limitMs: number, signal: AbortSignal) {
  const child = spawn(process.execPath, args, {
    cwd: copy.root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      NODE_TEST_CONTEXT: undefined,
      TMPDIR: copy.temporary,
      NODE_COMPILE_CACHE: copy.path("node_modules/.cache/kleidi"),
    },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      if (output.length < MAX_OUTPUT) output += text;
    });
  }
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    endGroup(child);
  }, limitMs);
  const onAbort = () => endGroup(child);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const closed = once(child, "close");
  const [status] = await once(child, "exit");
  clearTimeout(timer);
  signal.removeEventListener("abort", onAbort);
  endGroup(child);
  // a process that left the group may hold the pipes open
  await Promise.race([closed, delay(1000, undefined, { ref: false })]);
  child.stdout.destroy();
  child.stderr.destroy();
  return { status: status as number | null, output, late };
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // the whole group has ended
  }
}
