/**
 * npm run bench -- boot: from the kubelet's start to an API server that is ready, with kleidí's static pod as it is rendered, beside the
 * same node with a plugin in Go that does no more than AES-GCM under a key in a file (bench/go/cmd/localpeer). A new node for
 * each boot, in turns. As root; takes five minutes, --quick three. To reach: a ratio of at most 1.15.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { makeNodeFiles } from "../test/image/container.ts";
import { builtImages, IMAGE } from "../test/image/images.ts";
import { podOf, writePod } from "../test/node/control-plane.ts";
import { builtImage } from "../test/node/images.ts";
import { install, render } from "../test/node/kleidi.ts";
import { whyNoMachine } from "../test/node/machine.ts";
import { TestNode } from "../test/node/node.ts";
import { buildGo } from "./build-go.ts";
import { median } from "./figures.ts";

const quick = process.argv.includes("--quick");
const ROUNDS = quick ? 3 : 7;
const KEY = "/var/lib/kleidi/localpeer.key";
const SOCKET = "/run/kleidi/kms.sock";

const why = whyNoMachine();
if (why !== undefined) {
  console.error(`Cannot measure the boot of a node: ${why}`);
  process.exit(1);
}
buildGo("test/e2e/go", "test/node/go", "bench/go");
const { kleidi } = await builtImages();
const PLUGINS = {
  kleidí: { image: kleidi, prepare: (node: TestNode) => install(node, IMAGE) },
  "Go plugin": { image: builtImage("localpeer"), prepare: prepareGo },
};
type Name = keyof typeof PLUGINS;

interface Boot {
  /** Milliseconds from the kubelet's start until the socket is there. */
  readonly socket: number;
  /** The same until readyz says ok. */
  readonly ready: number;
}

function prepareGo(node: TestNode): void {
  makeNodeFiles(node.machine.root);
  render(node.machine, "encryption-config");
  node.machine.write(KEY, randomBytes(32).toString("hex"), 0o600);
  const args = ["--socket", SOCKET, "--key", KEY];
  writePod(node.machine, podOf("localpeer", args, ["/run/kleidi", "/var/lib/kleidi"]));
}

async function boot(name: Name): Promise<Boot> {
  const { image, prepare } = PLUGINS[name];
  const node = await TestNode.prepare({ images: [image] });
  try {
    prepare(node);
    const begin = performance.now();
    let socket = 0;
    const watch = setInterval(() => {
      if (existsSync(node.machine.path(SOCKET))) socket ||= performance.now() - begin;
    }, 20);
    node.boot();
    await node.untilReady();
    clearInterval(watch);
    return { socket, ready: performance.now() - begin };
  } finally {
    await node.stop();
  }
}

const boots: Record<Name, Boot[]> = { kleidí: [], "Go plugin": [] };
const names = Object.keys(PLUGINS) as Name[];
for (let round = 0; round < ROUNDS; round++) {
  // The one that is first changes: a machine gets busier or quieter.
  for (const name of round % 2 === 0 ? names : names.toReversed()) {
    process.stderr.write(`\r\u001b[Kround ${round + 1} of ${ROUNDS}: ${name}`);
    boots[name].push(await boot(name));
  }
}
process.stderr.write("\r\u001b[K");
console.log(`From the kubelet's start, medians of ${ROUNDS} boots in turns:`);
console.table(
  Object.fromEntries(
    names.map((name) => [
      name,
      {
        "socket s": (median(boots[name].map(({ socket }) => socket)) / 1000).toFixed(2),
        "ready s": (median(boots[name].map(({ ready }) => ready)) / 1000).toFixed(2),
        "each, s": boots[name].map(({ ready }) => (ready / 1000).toFixed(1)).join(" "),
      },
    ]),
  ),
);
const ratios = boots.kleidí.map(
  ({ ready }, round) => ready / (boots["Go plugin"][round]?.ready ?? Number.NaN),
);
console.log(
  `kleidí by Go plugin, median of the rounds: ${median(ratios).toFixed(3)} (to reach: at most 1.15)`,
);
