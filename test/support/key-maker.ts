/**
 * A process that creates keys and records on command, for tests of races and of the leftovers of a killed process. Reads lines of JSON:
 * { at, kill, what, path, name }. It waits until `at` (milliseconds of Date.now()), creates the key or record, and prints the result; with
 * `kill`, it kills itself with SIGKILL right before that changing call of the file system, counted from 0.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { createInterface } from "node:readline";

export interface Order {
  readonly at?: number;
  readonly kill?: number;
  readonly what: "key" | "record" | "escrow" | "audit key";
  readonly path: string;
  readonly name: string;
}

const CHANGING = ["openSync", "writeSync", "fsyncSync", "renameSync", "linkSync", "unlinkSync"] as const;
let left = Number.POSITIVE_INFINITY;
for (const step of CHANGING) {
  const real = fs[step] as (...args: unknown[]) => unknown;
  Object.assign(fs, {
    [step](...args: unknown[]) {
      if (left-- <= 0) process.kill(process.pid, "SIGKILL");
      return real(...args);
    },
  });
}
syncBuiltinESMExports();
const { KeyDirectory } = await import("../../host/capabilities/keystore/directory.ts");
const { StateDirectory } = await import("../../host/capabilities/state/directory.ts");
const { publicLine } = await import("../../host/audit/checkpoint.ts");
const { createAuditKey } = await import("../../host/runtime/create-audit-key.ts");
const { createMaterial } = await import("../../host/runtime/key-material.ts");

function make({ what, path, name }: Order): string {
  if (what === "key") return new KeyDirectory(path).create(name).fingerprint;
  if (what === "audit key") return publicLine(createAuditKey(path));
  if (what === "escrow") return Buffer.from(createMaterial(path)).toString("hex");
  const value = Buffer.from(`${process.pid} made this`);
  return new StateDirectory(path).put(name, value) ? value.toString() : "there is one";
}

console.log("up");
for await (const line of createInterface({ input: process.stdin })) {
  const order: Order = JSON.parse(line);
  left = order.kill ?? Number.POSITIVE_INFINITY;
  // Not a timer: two timers would fire milliseconds apart.
  while (Date.now() < (order.at ?? 0));
  try {
    console.log(make(order));
  } catch (error) {
    console.log((error as { code?: string }).code ?? String(error));
  }
}
