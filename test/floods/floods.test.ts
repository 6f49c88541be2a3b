/** A real host is flooded in each way for a second: it survives, serves, holds a bounded amount of memory, and logs the flood once. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { ask, freePort } from "../support/admin.ts";
import { Fixture, localConfig } from "../support/fixture.ts";
import { FLOODS } from "../support/floods.ts";
import { samplesOf, total } from "../support/promtool.ts";
import { untilWell } from "../support/until-well.ts";

const FLOOD_MS = 1_000;
/** Without limits, endless requests took a host from 115 to 1,338 MB in 24 seconds. */
const MAX_GROWTH = 128 << 20;

const fixture = new Fixture();
let admin = "";
let port = 0;
let pid = 0;
let client: KmsClient;

before(async () => {
  port = await freePort();
  admin = `127.0.0.1:${port}`;
  const log = { level: "warn", file: "kleidi.log" };
  fixture.write(localConfig([{ name: "kek", use: "active" }], { admin: { listen: admin }, log }));
  fixture.keyInit("kek");
  pid = (await fixture.serve()).pid ?? 0;
  client = new KmsClient(fixture.socket);
});
after(async () => {
  client.close();
  await fixture.close();
});

function rss(): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

const lines = (text: string) =>
  fixture
    .readLog()
    .split("\n")
    .filter((line) => line.includes(text));

for (const [name, flood] of Object.entries(FLOODS)) {
  test(`${name}: the host serves during and after the flood, and no connection is left`, async () => {
    const early = rss();
    const flooding = flood({ socket: fixture.socket, port }, AbortSignal.timeout(FLOOD_MS));
    const seal = () => client.encrypt({ plaintext: new Uint8Array(32) }, 10_000);
    await untilWell(seal);
    await flooding;
    await untilWell(seal);
    assert.ok(rss() - early < MAX_GROWTH, `it grew by ${(rss() - early) >> 20} MiB`);
    await untilWell(async () => {
      const samples = samplesOf((await ask(admin, "/metrics")).text);
      assert.equal(total(samples, "kleidi_connections"), 1);
      assert.equal(total(samples, "kleidi_requests_arriving_bytes"), 0);
    });
  });
}

test("a client that connects while answered callers hold every slot is served, call after call", async () => {
  const end = new AbortController();
  const flooding = FLOODS["answered callers"]({ socket: fixture.socket, port }, end.signal);
  await untilWell(async () => {
    const samples = samplesOf((await ask(admin, "/metrics")).text);
    assert.ok(total(samples, "kleidi_connections_closed_total", { reason: "replaced" }) >= 256);
  });
  const late = new KmsClient(fixture.socket);
  // Its connection is closed now and then; it reconnects, as an API server does.
  for (let i = 0; i < 50; i++) await untilWell(() => late.encrypt({ plaintext: new Uint8Array(32) }, 3_000));
  late.close();
  end.abort();
  await flooding;
});

test("each kind of flood is logged once", async () => {
  const samples = samplesOf((await ask(admin, "/metrics")).text);
  const closes = samples.filter(({ name, value }) => name === "kleidi_connections_closed_total" && value > 0);
  assert.ok(closes.length >= 4, `exceeded limits: ${closes.length}`);
  for (const { labels } of closes) {
    const told = lines(`"listener":"${labels.listener}","reason":"${labels.reason}"`);
    // Logged once a minute, and the floods together take less than two.
    assert.ok(told.length >= 1 && told.length <= 2, `${labels.listener} ${labels.reason}: ${told.length}`);
  }
});
