/**
 * npm run bench -- admission: the cost of examining a module before it runs (digest, reading, reach, limits),
 * compared with the engine's compilation of the same bytes in the same run. No guest is run. Takes about ten seconds.
 */
import { createHash } from "node:crypto";
import { readModule } from "../host/module/wasm/module.ts";
import { reach } from "../host/module/wasm/reach.ts";
import { clampLimits } from "../host/module/wasm/rewrite.ts";
import { customSection } from "../test/support/wasm.ts";
import { quantile } from "./figures.ts";
import { generate } from "./generated.ts";

const SIZE = 1 << 20;
const WARM_UP = 20;
const ROUNDS = 100;
const CAPS = { memoryPages: 256, tableEntries: 10_000 };

const bytes = await generate(SIZE);
const module = readModule(bytes);
const clamped = clampLimits(bytes, module, CAPS);
if (!WebAssembly.validate(clamped)) throw new Error("the clamped module is not valid");

const STEPS: Record<string, () => unknown> = {
  sha256: () => createHash("sha256").update(bytes).digest("hex"),
  readModule: () => readModule(bytes),
  reach: () => reach(module),
  clampLimits: () => clampLimits(bytes, module, CAPS),
  "all of these": () => {
    createHash("sha256").update(bytes).digest("hex");
    const read = readModule(bytes);
    reach(read);
    return clampLimits(bytes, read, CAPS);
  },
  // New bytes each time: the engine caches modules that it has compiled.
  "new WebAssembly.Module": () => new WebAssembly.Module(fresh),
};

let fresh = clamped;
const times = new Map(Object.keys(STEPS).map((name) => [name, [] as number[]]));
// Each round runs all steps, so that a slow moment of the machine affects all of them.
for (let round = -WARM_UP; round < ROUNDS; round++) {
  fresh = Buffer.concat([clamped, Uint8Array.from(customSection("round", round & 127))]);
  for (const [name, step] of Object.entries(STEPS)) {
    const begun = performance.now();
    step();
    if (round >= 0) times.get(name)?.push(performance.now() - begun);
  }
}

console.log(
  `${bytes.length} bytes, ${module.functionCount} functions, ${module.exports.length} exports, ${ROUNDS} rounds:`,
);
console.table(
  [...times].map(([step, all]) => ({
    step,
    "p50 ms": quantile(all, 0.5).toFixed(2),
    "p99 ms": quantile(all, 0.99).toFixed(2),
  })),
);
