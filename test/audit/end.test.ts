/** The end of a host whose disk hangs; a thread that opens a pipe without a reader stands in for one that waits for a disk. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { root } from "../support/fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-end-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a process that calls endAnyway and then `work`. @returns its exit code and signal */
async function endOf(work: string): Promise<unknown[]> {
  const program = `import { endAnyway } from ${JSON.stringify(join(root, "host/runtime/end-anyway.ts"))};
    import { open } from "node:fs";
    endAnyway(1000);
    ${work}`;
  const child = spawn("sh", [join(root, "host/kleidi-node"), "--input-type=module", "-e", program], {
    stdio: "inherit",
    timeout: 60_000,
    killSignal: "SIGABRT",
  });
  return await once(child, "exit");
}

test("a process whose wait never finishes is killed", async () => {
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  assert.deepEqual(await endOf(`open(${JSON.stringify(pipe)}, "w", () => {});`), [null, "SIGKILL"]);
});

test("a process that has finished exits by itself", async () => {
  assert.deepEqual(await endOf("process.exitCode = 7;"), [7, null]);
});
