import assert from "node:assert/strict";
import { test } from "node:test";
import { type ErrorCode, KleidiError } from "../error.ts";
import type { RpcOutcome } from "../grpc/server.ts";
import type { Logger } from "../telemetry/log.ts";
import { LogThrottle } from "../telemetry/log-throttle.ts";
import { RpcLog } from "./rpc-log.ts";

function setUp(level: "info" | "debug" = "info") {
  const lines: { level: string; fields: Record<string, unknown>; message: string }[] = [];
  const at = (level: string) => (fields: Record<string, unknown>, message: string) => {
    lines.push({ level, fields, message });
  };
  const log = { warn: at("warn"), debug: at("debug"), isLevelEnabled: (asked: string) => asked === level };
  const clock = { ms: 0 };
  return { lines, clock, log: new RpcLog(log as unknown as Logger, new LogThrottle(() => clock.ms)) };
}

const outcome = (code?: ErrorCode, message = "no", rpc: RpcOutcome["rpc"] = "Decrypt"): RpcOutcome => ({
  rpc,
  uid: "u",
  requestBytes: 1,
  ms: 1.23456,
  ...(code === undefined ? {} : { failure: new KleidiError(code, message) }),
});

test("a caller in a loop has one line a minute for each kind of failure, with how often it happened", () => {
  const { lines, clock, log } = setUp();
  for (let i = 0; i < 10_000; i++) log.ended(outcome("key-unknown", `the key_id "${i}" is unknown`));
  log.ended(outcome("key-unknown", "no", "Encrypt"));
  log.ended(outcome("ciphertext-invalid"));
  clock.ms = 60_000;
  log.ended(outcome("key-unknown", "the last"));
  assert.deepEqual(
    lines.map(({ level, fields: { rpc, code, count }, message }) => [level, rpc, code, count, message]),
    [
      ["warn", "Decrypt", "key-unknown", 1, 'the key_id "0" is unknown'],
      ["warn", "Encrypt", "key-unknown", 1, "no"],
      ["warn", "Decrypt", "ciphertext-invalid", 1, "no"],
      ["warn", "Decrypt", "key-unknown", 10_000, "the last"],
    ],
  );
});

test("the first failure has its line at once, with all that is known of it", () => {
  const { lines, log } = setUp();
  log.ended(outcome("key-unknown"));
  const [{ fields = {} } = {}] = lines;
  assert.deepEqual([fields.uid, fields.ms, typeof fields.hint], ["u", 1.235, "string"]);
});

test("at debug every RPC has a line", () => {
  const { lines, log } = setUp("debug");
  for (let i = 0; i < 3; i++) log.ended(outcome("key-unknown"));
  log.ended(outcome());
  assert.deepEqual(
    lines.map(({ level, message }) => `${level} ${message}`),
    ["warn no", "debug no", "debug no", "debug done"],
  );
});

test("an RPC that is done has no line at info", () => {
  const { lines, log } = setUp();
  log.ended(outcome());
  assert.deepEqual(lines, []);
});
