import assert from "node:assert/strict";
import { test } from "node:test";
import { type FaultName, KleidiError } from "../error.ts";
import { chain, type RpcContext } from "../grpc/interceptor.ts";
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
  const { intercept } = new RpcLog(log as unknown as Logger, new LogThrottle(() => clock.ms));
  /** Logs an RPC: failed with this fault, or successful. */
  const ended = async (fault?: FaultName, message = "no", rpc: RpcContext["rpc"] = "Decrypt") => {
    const call = { rpc, uid: "u", requestBytes: 1, startedAt: 0, timeMs: 2_400 };
    const ms = 1.23456;
    await chain([intercept])(call, async () =>
      fault === undefined
        ? { message: Buffer.of(), keyId: "k", ms }
        : { failure: new KleidiError(fault, message), ms },
    );
  };
  return { lines, clock, ended };
}

test("a caller in a loop causes one line per minute and kind of failure, with the count", async () => {
  const { lines, clock, ended } = setUp();
  for (let i = 0; i < 10_000; i++) await ended("key-unknown", `the key_id "${i}" is unknown`);
  await ended("key-unknown", "no", "Encrypt");
  await ended("ciphertext-invalid/refused");
  clock.ms = 60_000;
  await ended("key-unknown", "the last");
  assert.deepEqual(
    lines.map(({ level, fields: { rpc, code, count }, message }) => [level, rpc, code, count, message]),
    [
      ["warn", "decrypt", "key-unknown", 1, 'the key_id "0" is unknown'],
      ["warn", "encrypt", "key-unknown", 1, "no"],
      ["warn", "decrypt", "ciphertext-invalid", 1, "no"],
      ["warn", "decrypt", "key-unknown", 10_000, "the last"],
    ],
  );
});

test("the first failure has its line at once, with all its fields", async () => {
  const { lines, ended } = setUp();
  await ended("key-unknown");
  const [{ fields = {} } = {}] = lines;
  assert.deepEqual([fields.uid, fields.ms, typeof fields.hint], ["u", 1.235, "string"]);
});

test("at debug every RPC has a line", async () => {
  const { lines, ended } = setUp("debug");
  for (let i = 0; i < 3; i++) await ended("key-unknown");
  await ended();
  assert.deepEqual(
    lines.map(({ level, message }) => `${level} ${message}`),
    ["warn no", "debug no", "debug no", "debug done"],
  );
});

test("a successful RPC has no line at info", async () => {
  const { lines, ended } = setUp();
  await ended();
  assert.deepEqual(lines, []);
});
