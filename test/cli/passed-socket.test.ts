/**
 * The socket survives the host: systemd holds it (systemd-socket-activate of the real systemd, and a loop in place of Restart=always), and a
 * host that is killed, or that cannot start for a while, refuses no connection.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture, kleidi, localConfig } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";

requireDebian(["systemd"]);

const PLAINTEXT = new Uint8Array(32).fill(7);
const CALLERS = 8;
/** Longer than an API server waits: this machine may be busy, and the start is measured elsewhere. */
const PATIENT_MS = 20_000;
/** As RestartSec= of the rendered unit. */
const PAUSE_S = 0.5;
/** The child's own pid has to be in LISTEN_PID, so a shell of its own sets it. */
const LOOP = `while :; do sh -c 'LISTEN_PID=$$ exec "$@"' sh "$@"; sleep ${PAUSE_S}; done`;

let fixture: Fixture;
let holder: ChildProcess | undefined;

beforeEach(() => {
  fixture = new Fixture();
});

afterEach(async () => {
  if (holder?.pid !== undefined && holder.exitCode === null) {
    const exited = once(holder, "exit");
    // The loop first, or it would start the next host.
    holder.kill("SIGKILL");
    await exited;
    for (const pid of hosts()) process.kill(pid, "SIGTERM");
    await untilWell(async () => assert.deepEqual(hosts(), []));
  }
  holder = undefined;
  await fixture.close();
});

function hold(socket = fixture.socket): void {
  const serve = [kleidi, "serve", "--config", fixture.config];
  holder = spawn("systemd-socket-activate", ["-l", socket, "sh", "-c", LOOP, "sh", ...serve], {
    stdio: ["ignore", "ignore", "ignore"],
  });
}

/** The pids of hosts with this configuration. */
function hosts(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const words = read(`/proc/${pid}/cmdline`).split("\0");
      return words.includes(fixture.config) && /node$/.test(words[0] ?? "");
    });
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

test("callers of a host that is killed again and again lose the calls in flight, and no connection is refused", async () => {
  fixture.write(localConfig([{ name: "kek", use: "active" }])).keyInit("kek");
  hold();
  await untilWell(async () => assert.ok(statSync(fixture.socket).isSocket()));
  const first = new KmsClient(fixture.socket);
  const sealed = await untilWell(() => first.encrypt({ plaintext: PLAINTEXT }));
  first.close();

  let over = false;
  const failures: string[] = [];
  const callers = Promise.all(
    Array.from({ length: CALLERS }, async () => {
      const client = new KmsClient(fixture.socket);
      while (!over)
        await client
          .decrypt(sealed, PATIENT_MS)
          .catch(({ code, details }) => failures.push(`${code} ${details}`));
      client.close();
    }),
  );
  const KILLS = 3;
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const [pid = 0] = hosts();
      process.kill(pid, "SIGKILL");
      const client = new KmsClient(fixture.socket);
      // One try: it waits in the queue of the socket for the next host.
      await client.decrypt(sealed, PATIENT_MS);
      client.close();
      await untilWell(async () => assert.ok(!hosts().includes(pid)));
    }
  } finally {
    over = true;
    await callers;
  }
  assert.ok(failures.length <= KILLS * CALLERS, failures.join("\n"));
  assert.deepEqual(
    failures.filter((each) => /ECONNREFUSED|ENOENT/.test(each)),
    [],
  );
});

test("a host that could not start for a while serves the first caller after it can", async () => {
  const config = localConfig([{ name: "kek", use: "active" }]);
  fixture.write(config).keyInit("kek");
  fixture.write("broken: [");
  hold();
  await untilWell(async () => assert.ok(statSync(fixture.socket).isSocket()));
  const waiting = new KmsClient(fixture.socket);
  const refused = await waiting.status().then(
    () => "served",
    ({ code }) => code,
  );
  // The caller's deadline: nobody refused it.
  assert.equal(refused, 4);
  fixture.write(config);
  const { version } = await untilWell(() => waiting.status());
  assert.equal(version, "v2");
  waiting.close();
});

test("processes of a provider do not have the socket", async () => {
  fixture.write(localConfig([{ name: "kek", use: "active" }])).keyInit("kek");
  hold();
  const client = new KmsClient(fixture.socket);
  await untilWell(() => client.status());
  client.close();
  const [host = 0] = hosts();
  const socket = readlinkSync(`/proc/${host}/fd/3`);
  assert.match(socket, /^socket:/);
  const below = (pid: number): number[] =>
    read(`/proc/${pid}/task/${pid}/children`)
      .split(" ")
      .filter(Boolean)
      .flatMap((child) => [Number(child), ...below(Number(child))]);
  const processes = below(host);
  assert.ok(processes.length > 0);
  for (const pid of processes)
    assert.ok(!descriptorsOf(pid).includes(socket), `process ${pid}: ${read(`/proc/${pid}/cmdline`)}`);
});

function descriptorsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

test("a socket on another path is refused with the remedy, and what was passed to another process is not taken", async (t) => {
  fixture.write(localConfig([{ name: "kek", use: "active" }])).keyInit("kek");
  const other = `${fixture.folder}/other.sock`;
  hold(other);
  await untilWell(async () => assert.ok(statSync(other).isSocket()));
  const client = new KmsClient(other);
  await client.status().catch(() => {});
  client.close();
  await untilWell(async () => assert.match(fixture.readLog(), /"code":"socket-refused"/));
  const line =
    fixture
      .readLog()
      .split("\n")
      .find((each) => each.includes("socket-refused")) ?? "";
  const { msg, hint } = JSON.parse(line);
  t.assert.snapshot([msg.replaceAll(fixture.folder, "FOLDER"), hint]);

  const stranger = spawnSync(
    "sh",
    ["-c", 'exec "$@" 3</dev/null', "sh", kleidi, "check", "--config", fixture.config],
    {
      env: { ...process.env, LISTEN_FDS: "1", LISTEN_PID: "1" },
      encoding: "utf8",
    },
  );
  assert.match(stranger.stdout, /ok {3}configuration/);
});
