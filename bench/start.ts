/**
 * npm run bench -- start: from "podman run" of the image, under the flags of docs/image.md, until Status is ok; beside a bare Node in the
 * same image that prints a line. In turns, medians of 5. As root; takes half a minute. To reach: at most 1 s.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../host/grpc/client.ts";
import { HardenedContainer } from "../test/image/container.ts";
import { builtImages } from "../test/image/images.ts";
import { podmanFlags } from "../test/support/containers.ts";
import { median } from "./figures.ts";

const ROUNDS = 5;
const LIMIT_MS = 60_000;

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
  // A client that finds no socket waits longer and longer before it tries again.
  const untilBound = () => existsSync(container.socket) || performance.now() - begin > LIMIT_MS;
  while (!untilBound()) await sleep(5);
  const client = new KmsClient(container.socket);
  try {
    for (;;) {
      const isReady = await client.status().then(
        ({ healthz }) => healthz === "ok",
        () => false,
      );
      if (isReady) return performance.now() - begin;
      if (performance.now() - begin > LIMIT_MS) throw new Error(`Status is not ok after ${LIMIT_MS} ms`);
      await sleep(10);
    }
  } finally {
    client.close();
    container.stop();
  }
}
