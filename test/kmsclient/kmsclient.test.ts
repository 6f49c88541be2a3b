/**
 * kube-apiserver's own KMS v2 client against a host, in the cases of its own tests: a plugin that starts late, one that is slower than the
 * time-out, many calls at once, and a connection that is lost now and then.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Fixture, localConfig } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";

interface Answer {
  readonly version?: string;
  readonly healthz?: string;
  readonly keyID?: string;
  readonly served: number;
  readonly errors: readonly string[];
}

/** Longer than a host takes to start on a busy machine; not what a test waits for. */
const LONG = "60s";
const DEADLINE = /^rpc error: code = DeadlineExceeded /;

/** The client of one API server: its requests are answered in their order. */
class ApiServerClient {
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(socket: string, timeout: string) {
    this.#process = spawn(program, [socket, timeout], { stdio: ["pipe", "pipe", "ignore"] });
    const { stdout } = this.#process;
    assert.ok(stdout !== null);
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async ask(request: string): Promise<Answer> {
    this.#process.stdin?.write(`${request}\n`);
    const { done, value } = await this.#answers.next();
    assert.ok(!done, `the client ended at: ${request}`);
    return JSON.parse(value);
  }

  close(): void {
    this.#process.kill("SIGKILL");
  }
}

let program: string;
let fixture: Fixture;
let clients: ApiServerClient[];

before(() => {
  program = execFileSync("bash", [join(import.meta.dirname, "build.sh")], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
});
beforeEach(() => {
  fixture = new Fixture();
  clients = [];
  const log = { level: "warn", file: "kleidi.log" };
  fixture.write(localConfig([{ name: "kek", use: "active" }], { log })).keyInit("kek");
});
afterEach(async () => {
  for (const client of clients) client.close();
  await fixture.close();
});

function connect(timeout: string): ApiServerClient {
  const client = new ApiServerClient(fixture.socket, timeout);
  clients.push(client);
  return client;
}

async function untilSocket(): Promise<void> {
  while (!existsSync(fixture.socket)) await sleep(1);
}

function served(count: number): Answer {
  return { served: count, errors: [] };
}

test("a host that starts after the API server", async () => {
  const client = connect(LONG);
  const early = client.ask("roundtrips 1");
  await sleep(1_500);
  fixture.spawn();
  assert.deepEqual(await early, served(1));
});

test("Status is version v2 and ok, and names the same key each time", async () => {
  await fixture.serve();
  const client = connect("3s");
  const first = await client.ask("status");
  assert.deepEqual([first.version, first.healthz, first.errors], ["v2", "ok", []]);
  assert.deepEqual(await client.ask("status"), first);
});

test("100 calls at once, as soon as the socket exists: none fails, five times", async () => {
  for (let i = 0; i < 5; i++) {
    rmSync(fixture.socket, { force: true });
    const client = connect(LONG);
    const host = fixture.spawn();
    await untilSocket();
    assert.deepEqual(await client.ask("roundtrips 100"), served(100), `the ${i + 1}. start`);
    await Fixture.stop(host, "SIGKILL");
    client.close();
  }
});

test("100 calls at once over a connection in use", async () => {
  await fixture.serve();
  const client = connect("15s");
  assert.deepEqual(await client.ask("roundtrips 1"), served(1));
  assert.deepEqual(await client.ask("roundtrips 100"), served(100));
});

test("a time-out of zero, and one that ends before the host starts", async () => {
  const impatient = await connect("500ms").ask("roundtrips 1");
  await fixture.serve();
  const absurd = await connect("0s").ask("roundtrips 1");
  for (const { served, errors } of [impatient, absurd]) {
    assert.equal(served, 0);
    assert.match(errors.join("\n"), DEADLINE);
  }
});

test("a host that is killed and started again, three times: the call that waits for it is served", async () => {
  let host = await fixture.serve();
  const client = connect(LONG);
  assert.deepEqual(await client.ask("roundtrips 1"), served(1));
  for (let i = 0; i < 3; i++) {
    await Fixture.stop(host, "SIGKILL");
    // The client has to notice the end of its connection: a call that it still sends on it is lost with it.
    await sleep(500);
    const waiting = client.ask("roundtrips 10");
    await sleep(500);
    host = fixture.spawn();
    assert.deepEqual(await waiting, served(10));
  }
});

/** Seconds of the crash loop. 200 are the promise; they are too long for each run. */
const CRASH_LOOP_S = Number(process.env.KLEIDI_CRASH_LOOP_S ?? 20);

async function serverOf(holder: ChildProcess): Promise<number> {
  return await untilWell(async () => {
    const server = Number.parseInt(
      readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8"),
      10,
    );
    assert.ok(server > 0);
    return server;
  });
}

test("a host under kleidi hold that is killed under load: at most the calls in flight are lost", async (t) => {
  const holder = fixture.spawn("hold");
  const client = connect(LONG);
  assert.deepEqual(await client.ask("roundtrips 1"), served(1));
  for (let i = 0; i < 3; i++) {
    const server = await serverOf(holder);
    const inFlight = client.ask("roundtrips 50");
    process.kill(server, "SIGKILL");
    const killedAt = performance.now();
    const other = connect(LONG);
    assert.deepEqual(await other.ask("roundtrips 1"), served(1));
    t.diagnostic(`a new client was served ${Math.round(performance.now() - killedAt)} ms after the kill`);
    other.close();
    for (const error of (await inFlight).errors) assert.match(error, /Unavailable/);
    // The client connects again by itself; no call after that is lost.
    assert.deepEqual(await client.ask("roundtrips 50"), served(50));
  }
});

test(`a host under kleidi hold that cannot start for ${CRASH_LOOP_S} s: calls wait, no connection is refused, and the first call afterwards is served`, async (t) => {
  const config = fixture.readConfig();
  const holder = fixture.spawn("hold");
  await untilSocket();
  const client = connect("3s");
  await untilServed(client);
  const server = await serverOf(holder);
  fixture.write("broken: [");
  process.kill(server, "SIGKILL");
  const brokenAt = performance.now();
  const errors = new Set<string>();
  while (performance.now() - brokenAt < CRASH_LOOP_S * 1_000)
    for (const error of (await client.ask("roundtrips 1")).errors) errors.add(error);
  fixture.write(config);
  const repairedAt = performance.now();
  for (const error of await untilServed(client)) errors.add(error);
  t.diagnostic(`served ${Math.round(performance.now() - repairedAt)} ms after the cause ended`);
  t.diagnostic([...errors].join("\n"));
  assert.deepEqual(
    [...errors].filter((error) => /refused|no such file/.test(error)),
    [],
  );
});

/** @returns the errors until a round trip was served */
async function untilServed(client: ApiServerClient): Promise<readonly string[]> {
  const errors: string[] = [];
  for (;;) {
    const answer = await client.ask("roundtrips 1");
    if (answer.served === 1) return errors;
    errors.push(...answer.errors);
  }
}
