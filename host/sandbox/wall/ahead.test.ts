/** The process that is started ahead. It is a fake; test/sandbox/ahead.test.ts has a real one. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { EventEmitter } from "node:events";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { startAhead } from "./ahead.ts";
import type { Wall } from "./build.ts";

const FIRST = { nodeArguments: ["--flag", "main.mjs"], memoryBytes: 7 };

function setUp() {
  const started: ChildProcess[] = [];
  const wall: Wall = {
    name: "none",
    detail: "",
    start() {
      const [link] = duplexPair();
      const fake = Object.assign(new EventEmitter(), {
        stdio: [null, null, null, link],
        stderr: null,
        unref() {},
      });
      started.push(fake as unknown as ChildProcess);
      return fake as unknown as ChildProcess;
    },
    endOf: () => "",
  };
  const ahead = startAhead(wall, FIRST);
  return { ahead, started, start: (words = FIRST.nodeArguments, bytes = 7) => ahead.start(words, bytes) };
}

const isOpen = ({ stdio }: ChildProcess) => stdio[3]?.destroyed === false;

test("the first start with the same arguments takes it, and the next one starts another", () => {
  const { ahead, start, started } = setUp();
  assert.equal(started.length, 1);
  assert.equal(start(), started[0]);
  assert.equal(start(), started[1]);
  ahead.dismiss();
  assert.deepEqual(started.map(isOpen), [true, true]);
});

test("a start with another memory limit or other arguments does not take it", () => {
  const { start, started } = setUp();
  assert.equal(start(undefined, 8), started[1]);
  assert.equal(start(["--flag", "other.mjs"]), started[2]);
  assert.equal(start(), started[0]);
});

for (const event of ["exit", "error"]) {
  test(`one that has ended (${event}) is not taken`, () => {
    const { start, started } = setUp();
    started[0]?.emit(event, new Error("spawn failed"));
    assert.equal(start(), started[1]);
  });
}

test("dismiss closes its link, by which it ends, and no start takes it then", () => {
  const { ahead, start, started } = setUp();
  ahead.dismiss();
  assert.deepEqual(started.map(isOpen), [false]);
  assert.equal(start(), started[1]);
});
