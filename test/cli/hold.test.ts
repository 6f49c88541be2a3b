/** The socket survives the host without systemd: kleidi hold has it, and starts the serving process again. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { afterEach, beforeEach, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { Fixture, kleidi, localConfig } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";

const PLAINTEXT = new Uint8Array(32).fill(7);
const CALLERS = 8;
/** Longer than an API server waits: this machine may be busy. */
const PATIENT_MS = 20_000;
const KEYS = [{ name: "kek", use: "active" }] as const;

let fixture: Fixture;
let holder: ChildProcess;
let output: string;
let client: KmsClient;

beforeEach(() => {
  fixture = new Fixture();
  fixture.write(localConfig(KEYS)).keyInit("kek");
  client = new KmsClient(fixture.socket);
});

afterEach(async () => {
  client.close();
  await Fixture.stop(holder, "SIGTERM");
  await fixture.close();
});

function hold(): ChildProcess {
  output = "";
  const started = spawn(kleidi, ["hold", "--config", fixture.config], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  started.stderr?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  return started;
}

async function serving(): Promise<number> {
  await untilWell(() => client.status());
  return await untilWell(async () => serverOf(holder));
}

/** The pid of the serving process, which is not the only child if the host started slowly. */
function serverOf({ pid }: ChildProcess): number {
  const server = childrenOf(pid ?? 0).find((child) => read(`/proc/${child}/cmdline`).includes("\0serve\0"));
  assert.ok(server !== undefined, output);
  return server;
}

function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean).map(Number);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

test("callers of a host that is killed again and again lose the calls in flight, and no connection is refused", async () => {
  holder = hold();
  await serving();
  const sealed = await client.encrypt({ plaintext: PLAINTEXT });
  let over = false;
  const failures: string[] = [];
  const callers = Promise.all(
    Array.from({ length: CALLERS }, async () => {
      const caller = new KmsClient(fixture.socket);
      while (!over)
        await caller
          .decrypt(sealed, PATIENT_MS)
          .catch(({ code, details }) => failures.push(`${code} ${details}`));
      caller.close();
    }),
  );
  const KILLS = 3;
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const server = await untilWell(async () => serverOf(holder));
      process.kill(server, "SIGKILL");
      const caller = new KmsClient(fixture.socket);
      await untilWell(() => caller.decrypt(sealed, PATIENT_MS));
      caller.close();
      assert.notEqual(serverOf(holder), server);
    }
  } finally {
    over = true;
    await callers;
  }
  // On a busy machine a start takes long enough for connections to be answered meanwhile, and those end with it.
  const ends = KILLS * (/connections wait/.test(output) ? 2 : 1);
  assert.ok(failures.length <= ends * CALLERS, failures.join("\n"));
  assert.deepEqual(
    failures.filter((each) => /ECONNREFUSED|ENOENT/.test(each)),
    [],
  );
  assert.equal(holder.exitCode, null);
});

test("a host that cannot start is tried at least every half second, and serves when it can", async () => {
  holder = hold();
  const server = await serving();
  fixture.write("broken: [");
  process.kill(server, "SIGKILL");
  await untilWell(async () => assert.match(output, /started again in 500 ms/));
  fixture.write(localConfig(KEYS));
  await untilWell(() => client.status());
});

test("after five seconds without a host, connections are answered, and closed when one is back", async () => {
  holder = hold();
  const server = await serving();
  client.close();
  fixture.write("broken: [");
  process.kill(server, "SIGKILL");
  await untilWell(async () => assert.match(output, /no host serves: connections wait/));
  const raw = connect(fixture.socket);
  const [settings] = await once(raw, "data");
  // SETTINGS of HTTP/2: no request may be sent.
  assert.deepEqual([...settings], [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0]);
  const closed = once(raw, "close");
  fixture.write(localConfig(KEYS));
  await closed;
  client = new KmsClient(fixture.socket);
  await untilWell(() => client.status());
  await untilWell(async () => assert.equal(childrenOf(holder.pid ?? 0).length, 1));
});

test("SIGTERM lets the host finish and removes the socket; SIGHUP reloads", async () => {
  holder = hold();
  await serving();
  holder.kill("SIGHUP");
  await untilWell(async () => assert.match(fixture.readLog(), /the configuration was reloaded/));
  assert.equal(await Fixture.stop(holder), 0);
  assert.match(fixture.readLog(), /"signal":"SIGTERM".*\n.*"msg":"stopped"/);
  assert.equal(existsSync(fixture.socket), false);
});

test("a host whose holder was killed ends, and another one takes its place", async () => {
  holder = hold();
  const server = await serving();
  await Fixture.stop(holder, "SIGKILL");
  await untilWell(async () => assert.equal(read(`/proc/${server}/cmdline`), ""));
  assert.match(fixture.readLog(), /the end of kleidi hold/);
  holder = hold();
  await serving();
});

test("a socket that was removed before the host ended is bound again by the same holder", async () => {
  fixture.write(localConfig(KEYS, { status: { interval: "1s" } }));
  holder = hold();
  const server = await serving();
  const held = readlinkSync(`/proc/${holder.pid}/fd/0`);
  rmSync(fixture.socket);
  process.kill(server, "SIGKILL");
  const fresh = new KmsClient(fixture.socket);
  await untilWell(() => fresh.status());
  assert.notEqual(readlinkSync(`/proc/${holder.pid}/fd/0`), held);
  assert.notEqual(serverOf(holder), server);
  fresh.close();
});

test("a second holder and a second host are refused", async () => {
  holder = hold();
  await serving();
  for (const command of ["hold", "serve"]) {
    const { status } = fixture.run(command);
    assert.equal(status, 1);
  }
  assert.match(fixture.readLog(), /a process is serving there already/);
  await client.status();
});

test("a configuration with another socket is refused, with the remedy, until it is the one that is held", async (t) => {
  holder = hold();
  const server = await serving();
  fixture.write(localConfig(KEYS, { listen: { socket: "other.sock" } }));
  process.kill(server, "SIGKILL");
  await untilWell(async () => assert.match(fixture.readLog(), /"code":"socket-refused"/));
  const lines = fixture.readLog().split("\n");
  const { msg, hint } = JSON.parse(lines.find((line) => line.includes("socket-refused")) ?? "");
  t.assert.snapshot([msg.replaceAll(fixture.folder, "FOLDER"), hint]);
  fixture.write(localConfig(KEYS));
  await untilWell(() => client.status());
});

test("processes of a provider have neither the socket nor the connection to the holder, and the holder has nothing but the socket", async () => {
  holder = hold();
  const server = await serving();
  const forbidden = [3, 4].map((fd) => readlinkSync(`/proc/${server}/fd/${fd}`));
  for (const each of forbidden) assert.match(each, /^(socket|pipe):/);
  const below = (pid: number): number[] => childrenOf(pid).flatMap((child) => [child, ...below(child)]);
  const processes = below(server);
  assert.ok(processes.length > 0);
  for (const pid of processes)
    for (const descriptor of descriptorsOf(pid))
      assert.ok(!forbidden.includes(descriptor), `process ${pid}: ${read(`/proc/${pid}/cmdline`)}`);
  // Its libraries: no gRPC, no engine, no key file.
  const files = descriptorsOf(holder.pid ?? 0).filter((descriptor) => descriptor.startsWith(fixture.folder));
  assert.deepEqual(files, []);
  assert.equal(readlinkSync(`/proc/${holder.pid}/fd/0`), forbidden[0]);
});

function descriptorsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

test("a configuration that is wrong at the start, and a socket that cannot be bound, end it with the reason", () => {
  fixture.write("broken: [");
  const broken = spawnSync(kleidi, ["hold", "--config", fixture.config], {
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(broken.status, 1);
  assert.match(broken.stderr, /Cannot use the configuration/);
  fixture.write(localConfig(KEYS, { listen: { socket: "missing/kms.sock" } }));
  const missing = spawnSync(kleidi, ["hold", "--config", fixture.config], {
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /the folder .* does not exist/);
});
