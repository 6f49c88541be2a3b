import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { LogWriteRequestSchema } from "../../../proto/provider/v1/provider_pb.ts";
import { assertRefused } from "../../../test/support/failures.ts";
import type { HostAnswer } from "../../host-call.ts";
import { decideOn } from "../capability.ts";
import { openLog } from "./log.ts";

const NO_BYTES = new Uint8Array();

async function write(request: Uint8Array, ordinal = 1, provider = "local") {
  const lines: [string, string, string][] = [];
  const log = openLog({
    linesPerCall: new Map([["local", 5]]),
    write: (...line) => lines.push(line),
  });
  const call = {
    provider,
    rpc: "encrypt" as const,
    ordinal: 60,
    ordinalOfCapability: ordinal,
    capability: "log",
    operation: "write",
    request,
    signal: new AbortController().signal,
  };
  const decided = decideOn(log, call, undefined);
  const untouched = lines.length;
  const reply: HostAnswer = "perform" in decided ? await decided.perform() : decided;
  return { reply, lines, untouched };
}

function line(message: string, level = 1): Uint8Array {
  return toBinary(LogWriteRequestSchema, create(LogWriteRequestSchema, { level, message }));
}

async function written(message: string): Promise<string | undefined> {
  return (await write(line(message))).lines[0]?.[2];
}

for (const [level, name] of ["debug", "info", "warn", "error"].entries()) {
  test(`a line of level ${level} is written as ${name}`, async () => {
    const { reply, lines } = await write(line("hello", level));
    assert.deepEqual(lines, [["local", name, "hello"]]);
    assert.deepEqual(reply, { code: 0, message: "", body: NO_BYTES });
  });
}

test("level 4 is refused", async (t) => {
  const { reply, lines } = await write(line("hello", 4));
  assertRefused(t, reply, 2);
  assert.deepEqual(lines, []);
});

const GARBAGE: [string, Uint8Array][] = [
  ["a truncated field key", Uint8Array.of(0x80)],
  ["a truncated message", Uint8Array.of(18, 5, 0x61)],
  ["a text in invalid UTF-8", Uint8Array.of(18, 1, 0xff)],
];
for (const [what, request] of GARBAGE) {
  test(`${what} is refused`, async (t) => {
    const { reply, lines } = await write(request);
    assertRefused(t, reply, 2);
    assert.deepEqual(lines, []);
  });
}

test("an empty request writes an empty debug line", async () => {
  assert.deepEqual((await write(NO_BYTES)).lines, [["local", "debug", ""]]);
});

const CONTROLS: [string, string][] = [
  ["line feed", "\n"],
  ["carriage return", "\r"],
  ["NUL", "\0"],
  ["escape", "\u001b"],
  ["tab", "\t"],
  ["delete", "\u007f"],
  ["next line (C1)", "\u0085"],
  ["control sequence introducer (C1)", "\u009b"],
  ["line separator", "\u2028"],
  ["paragraph separator", "\u2029"],
  ["change of direction", "\u202e"],
];
for (const [what, control] of CONTROLS) {
  test(`a ${what} in a line is replaced`, async () => {
    assert.equal(await written(`a${control}b`), "a\ufffdb");
  });
}

test("text in other scripts is unchanged", async () => {
  assert.equal(await written("κλειδί 鍵 🔑"), "κλειδί 鍵 🔑");
});

test("a line of 1,024 bytes is not cut", async () => {
  assert.equal(await written("a".repeat(1024)), "a".repeat(1024));
});

test("a line of 1,025 bytes is cut to 1,024", async () => {
  assert.equal(await written("a".repeat(1025)), "a".repeat(1024));
});

test("a line is cut by bytes, not by characters", async () => {
  const bytes = Buffer.byteLength((await written("é".repeat(1024))) ?? "");
  assert.ok(bytes > 1000 && bytes <= 1024, `${bytes} bytes`);
});

test("a cut leaves no partial character", async () => {
  const text = await written(`a${"🔑".repeat(1024)}`);
  assert.equal(text?.isWellFormed(), true);
});

test("the last line of the limit is written", async () => {
  assert.equal((await write(line("hello"), 5)).lines.length, 1);
});

test("a line over the limit is refused", async (t) => {
  const { reply, lines } = await write(line("hello"), 6);
  assertRefused(t, reply, 6);
  assert.deepEqual(lines, []);
});

test("a provider without a limit writes nothing", async (t) => {
  const { reply } = await write(line("hello"), 1, "other");
  assertRefused(t, reply, 6);
});

test("deciding on a line does not write it", async () => {
  const { lines, untouched } = await write(line("hello"));
  assert.deepEqual([untouched, lines.length], [0, 1]);
});
