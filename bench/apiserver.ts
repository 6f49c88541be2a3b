/**
 * npm run bench -- apiserver: the start of a real API server until it is ready, over an etcd with 1,000 Secrets that have a seed each, and
 * over one with 10,000 Secrets under one seed: without encryption, with a plugin in Go and with kleidí's local provider. In turns; the
 * plugins run already. Takes five minutes; --quick takes two. bench -- boot measures a node that boots.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KmsClient } from "../host/grpc/client.ts";
import { ApiServer, Etcd } from "../test/e2e/servers.ts";
import { localpeer } from "../test/support/bench-go.ts";
import { Fixture, kleidi, localConfig } from "../test/support/fixture.ts";
import { encryptedObject, newSeed } from "../test/support/seeded-objects.ts";
import { buildGo } from "./build-go.ts";
import { median } from "./figures.ts";
import { untilGood } from "./until-good.ts";

const quick = process.argv.includes("--quick");
const ROUNDS = quick ? 3 : 7;
const STORES = {
  "1,000 seeds": { secrets: 1000, seeds: 1000 },
  "10,000 Secrets": { secrets: 10_000, seeds: 1 },
};
/** The name in the EncryptionConfiguration of ApiServer. */
const NAME = "kleidi";
const WRITERS = 16;

buildGo("test/e2e/go", "bench/go");
const folder = mkdtempSync(join(tmpdir(), "kleidi-bench-"));
const fixture = new Fixture();
fixture.write(localConfig([{ name: "kek", use: "active" }], { log: { level: "warn", file: "kleidi.log" } }));
fixture.keyInit("kek");
const key = join(folder, "key");
const socket = join(folder, "go.sock");
writeFileSync(key, randomBytes(32), { mode: 0o600 });

interface Plugin {
  readonly socket: string;
  readonly command: readonly [string, ...string[]];
}

/** undefined: Secrets are stored in clear. */
const PLUGINS: Readonly<Record<string, Plugin | undefined>> = {
  "no encryption": undefined,
  "Go plugin": { socket, command: [localpeer, `--socket=${socket}`, `--key=${key}`] },
  kleidí: { socket: fixture.socket, command: [kleidi, "serve", "--config", fixture.config] },
};
const running: ChildProcess[] = [];

/** An etcd with Secrets, and the API server over it. */
class World {
  readonly #etcd: Etcd;
  readonly #api: ApiServer;

  constructor(name: string, plugin: Plugin | undefined) {
    const own = join(folder, name);
    mkdirSync(own);
    this.#etcd = new Etcd(own);
    this.#api = new ApiServer(own, this.#etcd, plugin?.socket ?? "/nowhere");
    if (plugin === undefined) this.#api.useEncryption(CLEAR);
  }

  /** Stores Secrets. Their text in clear is that of one that the API server wrote. */
  async fill(
    template: Uint8Array,
    secrets: number,
    seeds: number,
    plugin: Plugin | undefined,
  ): Promise<void> {
    const client = plugin && new KmsClient(plugin.socket);
    const made = client && (await inParallel(seeds, () => newSeed(client)));
    client?.close();
    await this.#etcd.start();
    await inParallel(secrets, async (i) => {
      const name = nameOf(i);
      const path = `/registry/secrets/default/${name}`;
      const object = Buffer.from(
        Buffer.from(template).toString("latin1").replaceAll(nameOf(0), name),
        "latin1",
      );
      const seed = made?.[i % seeds];
      await this.#etcd.put(path, seed === undefined ? object : encryptedObject(NAME, path, object, seed));
    });
    await this.#etcd.stop();
  }

  /** @returns milliseconds from the start of the API server until it is ready */
  async measure(): Promise<number> {
    await this.#etcd.start();
    try {
      const begun = performance.now();
      await this.#api.start();
      const ms = performance.now() - begun;
      // Each object is the API server's, or the figure is one of failures.
      if ((await this.#api.readSecret(nameOf(9))) !== "value")
        throw new Error("the API server reads another value");
      return ms;
    } finally {
      await this.#api.stop();
      await this.#etcd.stop();
    }
  }

  /** @returns a Secret in clear, as the API server stores it */
  async template(): Promise<Uint8Array> {
    await this.#etcd.start();
    await this.#api.start();
    await this.#api.createSecret(nameOf(0), "value");
    const [stored] = await this.#etcd.values(`/registry/secrets/default/${nameOf(0)}`);
    await this.#api.stop();
    await this.#etcd.stop();
    if (stored === undefined) throw new Error("the API server stored nothing");
    return stored;
  }
}

const CLEAR = JSON.stringify({
  apiVersion: "apiserver.config.k8s.io/v1",
  kind: "EncryptionConfiguration",
  resources: [{ resources: ["secrets"], providers: [{ identity: {} }] }],
});

/** Names have one length: they are replaced in encoded objects. */
function nameOf(i: number): string {
  return `seeded-${String(i).padStart(5, "0")}`;
}

async function inParallel<T>(count: number, work: (i: number) => Promise<T>): Promise<T[]> {
  const results = new Array<T>(count);
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < count; i = next++) results[i] = await work(i);
  };
  await Promise.all(Array.from({ length: WRITERS }, worker));
  return results;
}

try {
  for (const plugin of Object.values(PLUGINS)) {
    if (plugin === undefined) continue;
    const [program, ...args] = plugin.command;
    running.push(spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] }));
    await untilGood(plugin.socket);
  }
  const template = await new World("template", undefined).template();
  for (const [title, { secrets, seeds }] of Object.entries(STORES)) {
    const worlds = new Map<string, World>();
    for (const [name, plugin] of Object.entries(PLUGINS)) {
      const world = new World(`${seeds} ${name}`, plugin);
      await world.fill(template, secrets, seeds, plugin);
      worlds.set(name, world);
    }
    const times = new Map<string, number[]>([...worlds.keys()].map((name) => [name, []]));
    for (let round = 0; round < ROUNDS; round++) {
      const all = [...worlds];
      // The one that is first changes: a machine gets busier or quieter.
      for (const [name, world] of round % 2 === 0 ? all : all.toReversed()) {
        process.stderr.write(`\r\u001b[K${title}, round ${round + 1} of ${ROUNDS}: ${name}`);
        times.get(name)?.push(await world.measure());
      }
    }
    process.stderr.write("\r\u001b[K");
    print(title, times);
  }
} finally {
  for (const child of running) await Fixture.stop(child);
  await fixture.close();
  rmSync(folder, { recursive: true, force: true });
}

function print(title: string, times: ReadonlyMap<string, readonly number[]>): void {
  const peer = times.get("Go plugin") ?? [];
  const ratioOf = (own: readonly number[]) => median(own.map((ms, i) => ms / (peer[i] ?? Number.NaN)));
  console.log(
    `${title}, an API server until it is ready, medians of ${ROUNDS} starts in turns (to reach: 1.15):`,
  );
  console.table(
    Object.fromEntries(
      [...times].map(([name, own]) => [
        name,
        {
          "ready s": (median(own) / 1000).toFixed(2),
          "each, s": own.map((ms) => (ms / 1000).toFixed(1)).join(" "),
          "by Go plugin": ratioOf(own).toFixed(3),
        },
      ]),
    ),
  );
}
