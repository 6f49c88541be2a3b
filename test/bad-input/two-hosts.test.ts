/** Two processes that listen on one socket at the same time: exactly one succeeds. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { listen } from "../../host/grpc/listener.ts";

const RACES = Number(process.env.KLEIDI_RACES ?? 30);
const folder = mkdtempSync(join(tmpdir(), "kleidi-race-"));
const program = join(import.meta.dirname, "..", "support", "racer.ts");

class Racer {
  readonly process: ChildProcess = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "inherit"] });
  readonly #lines = createInterface({ input: this.process.stdout as NodeJS.ReadableStream })[
    Symbol.asyncIterator
  ]();

  async line(): Promise<string> {
    const { done, value } = await this.#lines.next();
    return done === true ? "it ended" : value;
  }

  tell(line: string): void {
    this.process.stdin?.write(`${line}\n`);
  }

  async end(): Promise<void> {
    const exited = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await exited;
  }
}

const racers: Racer[] = [];
before(async () => {
  racers.push(new Racer(), new Racer());
  for (const racer of racers) assert.equal(await racer.line(), "up");
});
after(async () => {
  for (const racer of racers) if (racer.process.signalCode === null) await racer.end();
  rmSync(folder, { recursive: true, force: true });
});

test(`when two processes listen at the same time, one succeeds and the other is refused (${RACES} races)`, async () => {
  const results: Record<string, number> = {};
  for (let race = 0; race < RACES; race++) {
    const socket = join(folder, `${race % 2}.sock`);
    const at = Date.now() + 10;
    for (const racer of racers) racer.tell(`${at} ${socket}`);
    const said = (await Promise.all(racers.map((racer) => racer.line()))).sort().join(" and ");
    results[said] = (results[said] ?? 0) + 1;
    for (const racer of racers) racer.tell("close");
    for (const racer of racers) assert.equal(await racer.line(), "closed");
    assert.equal(existsSync(socket), false, "the one that listened removed its socket");
  }
  assert.deepEqual(results, { "listening and socket-refused": RACES });
});

test("a process that is killed while it listens releases its lock", async () => {
  const [racer] = racers;
  assert.ok(racer);
  const socket = join(folder, "killed.sock");
  racer.tell(`0 ${socket}`);
  assert.equal(await racer.line(), "listening");
  await assert.rejects(
    listen({ socket, mode: 0o600 }, () => {}),
    { code: "socket-refused" },
  );
  await racer.end();
  assert.ok(existsSync(socket));
  (await listen({ socket, mode: 0o600 }, () => {})).close();
});
