/** The metrics of a real host: Prometheus' conventions, the bounds of the labels, and the counts while it is used. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Grpc } from "../../host/error.ts";
import { KmsClient } from "../../host/grpc/client.ts";
import { METRICS, type MetricName } from "../../host/telemetry/metric-table.ts";
import { buildGuests } from "../guests/build.ts";
import { ask, freePort } from "../support/admin.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture, localConfig, localModule, sha256Of } from "../support/fixture.ts";
import { promtool, type Sample, samplesOf, total } from "../support/promtool.ts";
import { Swtpm } from "../support/swtpm.ts";
import { tpmNode } from "../support/tpm-node.ts";
import { untilWell } from "../support/until-well.ts";

requireDebian(["swtpm", "tpm2-tools"]);
const plaintext = new Uint8Array(32).fill(0x5a);

/** The labels in the table, by the name of a sample. */
function labelsOf(name: string): readonly string[] {
  const bare = name.replace(/_(bucket|sum|count)$/, "");
  const row = Object.hasOwn(METRICS, name) ? METRICS[name as MetricName] : METRICS[bare as MetricName];
  assert.ok(row !== undefined, `${name} is in the table`);
  return name.endsWith("_bucket") ? [...row.labels, "le"] : row.labels;
}

const ours = (samples: readonly Sample[]) => samples.filter(({ name }) => name.startsWith("kleidi_"));

describe("a host with a hostile provider", () => {
  const fixture = new Fixture();
  let admin = "";
  let client: KmsClient;
  const scrape = async () => samplesOf((await ask(admin, "/metrics")).text);

  before(async () => {
    admin = `127.0.0.1:${await freePort()}`;
    const { misbehave } = await buildGuests();
    const providers = {
      local: { module: localModule, sha256: sha256Of(localModule), grants: { keystore: { keys: ["kek"] } } },
      hostile: {
        module: misbehave,
        sha256: sha256Of(misbehave),
        // So that the keystore call in its Encrypt is denied.
        grants: { keystore: { keys: ["undeclared"], rpcs: ["decrypt"] } },
      },
    };
    const keys = [
      { name: "undeclared", provider: "hostile", use: "active" },
      { name: "kek", provider: "local", use: "decrypt" },
    ] as const;
    fixture.write(localConfig(keys, { providers, admin: { listen: admin } }));
    fixture.keyInit("kek").keyInit("undeclared");
    fixture.spawn();
    client = new KmsClient(fixture.socket);
    await untilWell(async () => {
      const samples = await scrape();
      assert.equal(total(samples, "kleidi_key_ready", { key: "kek" }), 1);
      assert.ok(total(samples, "kleidi_key_probes_total", { key: "undeclared", result: "failed" }) > 0);
    });
  });
  after(async () => {
    client.close();
    await fixture.close();
  });

  test("exposes a scrape that follows Prometheus' conventions", async () => {
    const { text } = await ask(admin, "/metrics");
    assert.deepEqual(promtool(["check", "metrics"], text), { status: 0, text: "" });
  });

  test("promtool reports a scrape that does not follow the conventions", () => {
    const { status, text } = promtool(
      ["check", "metrics"],
      "# HELP a_total b\n# TYPE a_total gauge\na_total 1\n",
    );
    assert.notEqual(status, 0);
    assert.match(text, /a_total/);
  });

  test("every sample has exactly the labels of the table", async () => {
    for (const { name, labels } of ours(await scrape()))
      assert.deepEqual(Object.keys(labels).sort(), labelsOf(name).toSorted(), name);
  });

  test("counts denials, and the provider cannot add a series", async () => {
    const before = await scrape();
    const denied = { provider: "hostile", capability: "keystore", verdict: "denied" };
    const denial = {
      code: Grpc.PERMISSION_DENIED,
      details:
        'Cannot grant provider "hostile" kleidi:keystore seal in encrypt: the configuration grants it in decrypt only',
    };
    for (let i = 0; i < 20; i++) await assert.rejects(client.encrypt({ plaintext, uid: `uid-${i}` }), denial);
    await untilWell(async () => {
      const more = total(await scrape(), "kleidi_host_calls_total", denied);
      assert.ok(more > total(before, "kleidi_host_calls_total", denied));
    });
    const names = (samples: readonly Sample[]) =>
      ours(samples).map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`);
    assert.deepEqual(names(await scrape()), names(before));
  });

  test("reports that it is not ready, and counts the calls that it serves with another key", async () => {
    const samples = await scrape();
    assert.equal(total(samples, "kleidi_ready"), 0);
    assert.equal((await ask(admin, "/readyz")).status, 503);
    assert.equal((await ask(admin, "/livez")).status, 200);
    assert.equal(total(samples, "kleidi_key_ready", { use: "active" }), 0);
    assert.deepEqual(
      samples.filter(({ name }) => name === "kleidi_key_info").map(({ labels }) => labels.key),
      ["kek"],
    );
    const before = total(samples, "kleidi_rpcs_total", { rpc: "decrypt", code: "key-not-ready" });
    const strange = { ciphertext: plaintext, keyId: `v1.${"A".repeat(43)}`, annotations: {} };
    await assert.rejects(client.decrypt(strange), {
      code: Grpc.FAILED_PRECONDITION,
      details: 'Cannot decrypt: no ready key has this key_id; not answered yet: "undeclared"',
    });
    // A scrape is cached for a second.
    await untilWell(async () => {
      const decrypts = (await scrape()).filter(({ labels }) => labels.rpc === "decrypt");
      assert.equal(
        total(decrypts, "kleidi_rpc_duration_seconds_count"),
        total(decrypts, "kleidi_rpcs_total"),
      );
      assert.equal(total(decrypts, "kleidi_rpcs_total", { code: "key-not-ready" }), before + 1);
    });
  });

  test("calls of a local key have no backend time: an RPC's overhead is its full duration", async () => {
    const samples = await scrape();
    for (const rpc of ["encrypt", "decrypt"])
      assert.equal(
        total(samples, "kleidi_rpc_overhead_seconds_sum", { rpc }),
        total(samples, "kleidi_rpc_duration_seconds_sum", { rpc }),
      );
  });
});

test("scrapes under load are complete, and their counters only rise", async (t) => {
  const admin = `127.0.0.1:${await freePort()}`;
  const fixture = new Fixture();
  t.after(() => fixture.close());
  fixture.write(localConfig([{ name: "kek", use: "active" }], { admin: { listen: admin } })).keyInit("kek");
  await fixture.serve();
  const client = new KmsClient(fixture.socket);
  const sealed = await client.encrypt({ plaintext });
  let done = 0;
  let over = false;
  const callers = Array.from({ length: 16 }, async () => {
    for (; !over; done++) await client.decrypt(sealed);
  });
  const good = { rpc: "decrypt", code: "ok" };
  let last = 0;
  let names: string[] | undefined;
  for (let i = 0; i < 50; i++) {
    const { status, text } = await ask(admin, "/metrics");
    assert.equal(status, 200);
    const samples = samplesOf(text);
    const now = total(samples, "kleidi_rpcs_total", good);
    assert.ok(now >= last, `${now} after ${last}`);
    last = now;
    // A bucket of a histogram may be absent; a series that was there once stays.
    const all = ours(samples).map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`);
    names ??= all;
    assert.deepEqual(all, names);
  }
  over = true;
  await Promise.all(callers);
  client.close();
  const samples = await untilWell(async () => {
    const last = samplesOf((await ask(admin, "/metrics")).text);
    assert.equal(total(last, "kleidi_rpcs_total", good), done);
    return last;
  });
  assert.equal(total(samples, "kleidi_rpc_duration_seconds_bucket", { rpc: "decrypt", le: "+Inf" }), done);
  assert.equal(total(samples, "kleidi_ready"), 1);
});

test("the time of waiting for a TPM is part of an RPC's duration, and not of its overhead", async (t) => {
  const tpm = await Swtpm.start();
  const fixture = tpmNode(tpm);
  t.after(async () => {
    await fixture.close();
    await tpm.stop();
  });
  const admin = `127.0.0.1:${await freePort()}`;
  const config = JSON.parse(fixture.readConfig());
  fixture.write(JSON.stringify({ ...config, admin: { listen: admin } }));
  assert.equal(fixture.run("key", "init").status, 0);
  await fixture.serve();
  const client = new KmsClient(fixture.socket);
  const sealed = await client.encrypt({ plaintext });
  await Promise.all(Array.from({ length: 8 }, () => client.decrypt(sealed)));
  client.close();
  const samples = samplesOf((await ask(admin, "/metrics")).text);
  const inTpm = total(samples, "kleidi_host_call_duration_seconds_sum", { capability: "tpm" });
  let waited = 0;
  for (const rpc of ["encrypt", "decrypt"]) {
    const whole = total(samples, "kleidi_rpc_duration_seconds_sum", { rpc });
    const own = total(samples, "kleidi_rpc_overhead_seconds_sum", { rpc });
    assert.ok(own > 0 && own < whole, `${rpc}: ${own} of ${whole}`);
    waited += whole - own;
  }
  // A host call adds only a few lines of the gate; probes wait for the TPM as well.
  assert.ok(waited < inTpm * 1.5, `RPCs waited ${waited} s, host calls took ${inTpm} s`);
});
