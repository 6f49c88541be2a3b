/**
 * npm run bench -- inspect: the time to inspect a module of 5 MB, as a function and as the complete command (its process started,
 * its page written to the disk), compared with the engine's compilation of the same bytes in the same run. No guest is run.
 * Target: the command takes at most 1 s.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KNOWN } from "../host/capabilities/registry.ts";
import { pageOf } from "../host/inspect/page.ts";
import { inspect } from "../host/inspect/report.ts";
import { textOf } from "../host/inspect/text.ts";
import { stringifyAscii } from "../host/lib/text.ts";
import { readModule } from "../host/module/wasm/module.ts";
import { customSection } from "../test/support/wasm.ts";
import { quantile } from "./figures.ts";
import { generate } from "./generated.ts";

const SIZE = 5 << 20;
const quick = process.argv.includes("--quick");
const ROUNDS = quick ? 5 : 40;
const COMMANDS = quick ? 3 : 20;
const WARM_UP = 3;
const LIMIT_MS = 1000;

const kleidi = join(import.meta.dirname, "..", "host", "kleidi");
const folder = mkdtempSync(join(tmpdir(), "kleidi-bench-"));
const path = join(folder, "large.wasm");
const bytes = await generate(SIZE);
writeFileSync(path, bytes);
const { functionCount } = readModule(bytes);

const around = { known: KNOWN, limits: { memoryBytes: 16 << 20, tableEntries: 16_384 }, signatures: [] };
const look = () => {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return inspect({ path, bytes, size: bytes.length, sha256 }, around);
};
const report = look();
// A malformed module would stop the reader early and make the measurement meaningless.
if (report.module.stopped !== null || report.rpcs.some(({ functions }) => functions < functionCount / 2)) {
  throw new Error("the generated module is not read to its end, or its RPCs reach little of it");
}

let fresh: Uint8Array<ArrayBuffer>;
const command =
  (...options: string[]) =>
  () => {
    const { status, stderr } = spawnSync(kleidi, ["inspect", path, ...options], { encoding: "utf8" });
    // 1: the generated module has no manifest
    if (status !== 1) throw new Error(stderr);
  };
const STEPS: Record<string, { rounds: number; step: () => unknown }> = {
  "inspect, digest included": { rounds: ROUNDS, step: look },
  "the report as text": { rounds: ROUNDS, step: () => textOf(report, (_, text) => text) },
  "the report as JSON": { rounds: ROUNDS, step: () => stringifyAscii(report) },
  "the report as a page": { rounds: ROUNDS, step: () => pageOf(report) },
  // New bytes each time: the engine caches modules that it has compiled.
  "new WebAssembly.Module": { rounds: ROUNDS, step: () => new WebAssembly.Module(fresh) },
  "kleidi --version, which inspects nothing": {
    rounds: COMMANDS,
    step: () => spawnSync(kleidi, ["--version"]),
  },
  "the command": { rounds: COMMANDS, step: command() },
  "the command, --json --html": {
    rounds: COMMANDS,
    step: command("--json", "--html", join(folder, "page.html")),
  },
};

const times = new Map(Object.keys(STEPS).map((name) => [name, [] as number[]]));
try {
  // Each round runs all steps, so that a slow moment of the machine affects all of them.
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    fresh = Uint8Array.from([...bytes, ...customSection("round", round & 127)]);
    for (const [name, { rounds, step }] of Object.entries(STEPS)) {
      if (round >= rounds) continue;
      const begun = performance.now();
      step();
      if (round >= 0) times.get(name)?.push(performance.now() - begun);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

console.log(`${bytes.length} bytes, ${functionCount} functions:`);
console.table(
  [...times].map(([step, all]) => ({
    step,
    rounds: all.length,
    "p50 ms": quantile(all, 0.5).toFixed(1),
    "max ms": quantile(all, 1).toFixed(1),
  })),
);
// The median: a single start may be slowed by other programs.
const half = quantile(times.get("the command, --json --html") ?? [], 0.5);
console.log(
  `The command in at most ${LIMIT_MS} ms: ${half <= LIMIT_MS ? "reached" : "missed"}, p50 ${half.toFixed(0)} ms.`,
);
