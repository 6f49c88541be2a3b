/** A process of a module that an attacker controls: a stand-in sends what the program never does. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, test } from "node:test";
import { failure, ModuleFailure, parseFailure } from "./failure.ts";
import { Message } from "./module/protocol.mjs";
import { ModuleProcess } from "./module-process.ts";

const WIRE = join(import.meta.dirname, "../../sandbox/wire.mjs");
const PROTOCOL = join(import.meta.dirname, "module/protocol.mjs");

/** @param script runs for each request, with `send(type, call, payload)`, `call` and `Message` */
function standIn(script: string): ModuleProcess {
  const program = `
    import { Socket } from "node:net";
    import { encodeFrame, FrameReader } from ${JSON.stringify(WIRE)};
    import { joinFields, Message } from ${JSON.stringify(PROTOCOL)};
    const link = new Socket({ fd: 3 });
    const send = (type, call, payload) => link.write(encodeFrame(type, call, Buffer.from(payload)));
    const reader = new FrameReader(1 << 20, (type, call) => { ${script} });
    link.on("data", (chunk) => reader.push(chunk)).on("close", () => process.exit());
    send(Message.STARTED, 0, "");`;
  const child = spawn(process.execPath, ["--no-warnings", "--input-type=module", "--eval", program], {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  const module = new ModuleProcess(child);
  after(() => module.kill());
  return module;
}

const ask = (module: ModuleProcess, ms = 30_000) => module.request(Message.FIND, [Buffer.from("kek")], ms);

test("request resolves with the one field of an answer", async () => {
  const module = standIn(`send(Message.DONE, call, joinFields([Buffer.from("yes")]));`);
  assert.equal(String(await ask(module)), "yes");
  assert.equal(String(await ask(module)), "yes");
  assert.equal(module.gone, undefined);
});

for (const [what, script] of [
  ["an answer to another request", `send(Message.DONE, call + 1, joinFields([Buffer.alloc(1)]));`],
  ["a message of another type", `send(99, call, "");`],
  ["a request", `send(Message.FIND, call, "");`],
  ["a second start", `send(Message.STARTED, 0, "");`],
  ["an answer without a field", `send(Message.DONE, call, "");`],
  ["an answer of two fields", `send(Message.DONE, call, joinFields([Buffer.alloc(1), Buffer.alloc(1)]));`],
  ["a field that is cut short", `send(Message.DONE, call, [0, 0, 0, 9, 1]);`],
  ["a failure that is no JSON", `send(Message.FAILED, call, "x");`],
  ["a failure of an unknown kind", `send(Message.FAILED, call, '{"kind":"toString"}');`],
  ["a frame that is too large", `send(Message.DONE, call, Buffer.alloc(40_000));`],
  ["a frame of no length", `link.write(Buffer.alloc(16));`],
  ["nothing, and ends", `process.exit(3);`],
] as const) {
  test(`a process that sends ${what} is ended`, async () => {
    const module = standIn(script);
    await assert.rejects(ask(module), (error) => error instanceof ModuleFailure && error.kind === "gone");
    assert.equal(module.gone?.kind, "gone");
  });
}

test("an answer that comes twice ends the process", async () => {
  const module = standIn(
    `const twice = joinFields([Buffer.alloc(1)]); send(Message.DONE, call, twice); send(Message.DONE, call, twice);`,
  );
  await ask(module);
  await assert.rejects(ask(module), (error) => error instanceof ModuleFailure && error.kind === "gone");
});

test("a process that does not answer is killed at the deadline", async () => {
  const module = standIn("");
  await assert.rejects(
    ask(module, 1_000),
    (error) => error instanceof ModuleFailure && error.kind === "late",
  );
  assert.equal(module.gone?.kind, "late");
});

test("parseFailure keeps no text of the process but printable ASCII, and not much of it", () => {
  const detail = `\u001b[31m${"x".repeat(400)}`;
  const message = parseFailure(Buffer.from(JSON.stringify({ kind: "load", detail })))?.message ?? "";
  assert.match(message, /^[\x20-\x7e]{1,240}$/);
});

test("parseFailure names the return values that it knows", () => {
  const of = (call: string, rv: unknown) =>
    parseFailure(Buffer.from(JSON.stringify({ kind: "call", call, rv })));
  assert.equal(of("C_Encrypt", 0x101)?.message, "C_Encrypt returned CKR_USER_NOT_LOGGED_IN");
  assert.equal(of("C_Encrypt", 0x80000001)?.message, "C_Encrypt returned 0x80000001");
  assert.equal(of("C_Login", 0xa0)?.kind, "pin-refused");
  assert.equal(of("C_Login", 0xa4)?.kind, "pin-refused-locked");
  assert.equal(of("C_Encrypt", 0xa0)?.kind, "call");
  assert.equal(of("C_Encrypt", "0"), undefined);
  assert.equal(of("rm -rf", 1), undefined);
});

test("failure puts a detail in parentheses", () => {
  assert.equal(failure("late", "5 ms").message, "the module did not answer in time (5 ms)");
});
