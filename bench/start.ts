/**
 * npm run bench -- start: from "podman run" of the image, under the flags of docs/image.md, until Status is ok; beside a bare Node in the
 * same image that prints a line. In turns, medians of 5. As root; takes half a minute. To reach: at most 1 s.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { HardenedContainer } from "../test/image/container.ts";
import { builtImages } from "../test/image/images.ts";
import { podmanFlags } from "../test/support/containers.ts";
import { median } from "./figures.ts";
import { untilGood } from "./until-good.ts";

const ROUNDS = 5;

await builtImages();
const container = new HardenedContainer();
const times: Record<"Node" | "kleidí", number[]> = { Node: [], kleidí: [] };
try {
  container.run("key", "init");
  for (let round = 0; round < ROUNDS; round++) {
    times.Node.push(await startNode());
    times.kleidí.push(await startKleidi());
  }
} finally {
  container.close();
}
console.log(`From podman run, medians of ${ROUNDS} starts in turns (to reach: kleidí at most 1,000 ms):`);
console.table(
  Object.fromEntries(
    Object.entries(times).map(([name, each]) => [
      name === "Node" ? "bare Node, first line" : "kleidí, Status is ok",
      { ms: Math.round(median(each)), each: each.map((ms) => Math.round(ms)).join(" ") },
    ]),
  ),
);
const shares = times.kleidí.map((ms, round) => ms - (times.Node[round] ?? Number.NaN));
console.log(`kleidí's own part, median of the differences: ${Math.round(median(shares))} ms`);

async function startNode(): Promise<number> {
  const begin = performance.now();
  const child = spawn("podman", [...podmanFlags(), ...container.nodeCommand("--eval", "console.log()")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  await once(child.stdout, "data");
  const took = performance.now() - begin;
  await exit;
  return took;
}

async function startKleidi(): Promise<number> {
  const begin = performance.now();
  container.serve();
  try {
    return (await untilGood(container.socket)) - begin;
  } finally {
    container.stop();
  }
}
