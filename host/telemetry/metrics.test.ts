import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeySample, MetricSamples, ProviderSample } from "./metric-samples.ts";
import { BUCKETS, METRICS } from "./metric-table.ts";
import { Metrics, type MetricsOptions } from "./metrics.ts";

const PROVIDER: ProviderSample = {
  name: "local",
  state: "ready",
  processes: 2,
  ends: 3,
  inFlight: 1,
  waiting: 0,
};
const KEY: KeySample = {
  name: "kek",
  provider: "local",
  use: "active",
  ready: true,
  keyIdSha256: "aa",
  goodAgeMs: 2000,
};
const OPTIONS: MetricsOptions = {
  version: "1.2.3",
  wall: "bubblewrap",
  intervalMs: 10_000,
  providers: [{ name: "local", sha256: "0a", inFlightLimit: 64, waitingLimit: 256, credential: true }],
  capabilities: ["keystore", "net"],
  keys: ["kek"],
};
const SAMPLES: MetricSamples = { ready: true, providers: [PROVIDER], keys: [KEY] };

async function scraped(metrics: Metrics, samples: Partial<MetricSamples> = {}): Promise<string[]> {
  const text = await metrics.scrape({ ...SAMPLES, ...samples });
  return text.split("\n").filter((line) => line.startsWith("kleidi_"));
}

async function has(
  metrics: Metrics,
  expected: readonly string[],
  samples: Partial<MetricSamples> = {},
): Promise<void> {
  const lines = await scraped(metrics, samples);
  for (const line of expected) assert.ok(lines.includes(line), `${line} is one of\n${lines.join("\n")}`);
}

test("a provider's numbers are read at the scrape", async () => {
  const metrics = new Metrics(OPTIONS);
  await scraped(metrics);
  const now = { ...PROVIDER, state: "quarantined", processes: 0, ends: 10 };
  const expected = [
    'kleidi_build_info{version="1.2.3"} 1',
    'kleidi_provider_info{provider="local",sha256="0a"} 1',
    'kleidi_provider_state{provider="local",state="quarantined"} 1',
    'kleidi_provider_state{provider="local",state="ready"} 0',
    'kleidi_provider_processes{provider="local"} 0',
    'kleidi_provider_process_ends_total{provider="local"} 10',
    'kleidi_provider_calls_in_flight{provider="local"} 1',
    'kleidi_provider_calls_in_flight_limit{provider="local"} 64',
    'kleidi_provider_calls_waiting_limit{provider="local"} 256',
  ];
  await has(metrics, expected, { providers: [now] });
});

test("RPCs are counted by code, and timed with and without the wait for a backend", async () => {
  const metrics = new Metrics(OPTIONS);
  metrics.rpc("Decrypt", "ok", 0.2, 0);
  metrics.rpc("Decrypt", "key-unknown", 30, 29.5);
  await has(metrics, [
    'kleidi_rpcs_total{rpc="decrypt",code="ok"} 1',
    'kleidi_rpcs_total{rpc="decrypt",code="key-unknown"} 1',
    'kleidi_rpc_duration_seconds_bucket{le="0.00025",rpc="decrypt"} 1',
    'kleidi_rpc_duration_seconds_count{rpc="decrypt"} 2',
    'kleidi_rpc_overhead_seconds_bucket{le="0.0005",rpc="decrypt"} 2',
  ]);
});

test("all series exist from the start, so that the first event counts as an increase", async () => {
  await has(new Metrics(OPTIONS), [
    'kleidi_rpcs_total{rpc="encrypt",code="overloaded"} 0',
    'kleidi_host_calls_total{provider="local",capability="keystore",verdict="denied"} 0',
    'kleidi_host_calls_total{provider="local",capability="unknown",verdict="denied"} 0',
    'kleidi_key_version_changes_total{key="kek"} 0',
    'kleidi_key_probes_total{key="kek",result="failed"} 0',
    'kleidi_credential_events_total{provider="local",event="failed"} 0',
    "kleidi_audit_failures_total 0",
  ]);
});

test("host calls are counted by provider, capability and verdict, and timed when they finish", async () => {
  const metrics = new Metrics(OPTIONS);
  metrics.hostCall("local", "keystore", "denied");
  metrics.hostCallDone("local", "keystore", 3);
  await has(metrics, [
    'kleidi_host_calls_total{provider="local",capability="keystore",verdict="denied"} 1',
    'kleidi_host_call_duration_seconds_bucket{le="0.005",provider="local",capability="keystore"} 1',
    'kleidi_host_call_duration_seconds_sum{provider="local",capability="keystore"} 0.003',
  ]);
});

test("a name that a guest invents does not create a series", async () => {
  const metrics = new Metrics(OPTIONS);
  metrics.hostCallDone("local", "unknown", 1);
  const before = (await scraped(metrics)).length;
  for (let i = 0; i < 1000; i++) {
    metrics.hostCall("local", `made-up-${i}`, "denied");
    metrics.hostCall("local", "__proto__", "denied");
    metrics.hostCallDone("local", `made-up-${i}`, 1);
  }
  const lines = await scraped(metrics);
  assert.equal(lines.length, before);
  assert.ok(
    lines.includes('kleidi_host_calls_total{provider="local",capability="unknown",verdict="denied"} 2000'),
  );
  assert.ok(!lines.some((line) => line.includes("made-up")));
});

test("a key has series only for its current version", async () => {
  const metrics = new Metrics(OPTIONS);
  const version = (i: number) => ({ keys: [{ ...KEY, keyIdSha256: `v${i}` }] });
  for (let i = 0; i < 100; i++) await scraped(metrics, version(i));
  const lines = (await scraped(metrics, version(99))).filter((line) => line.startsWith("kleidi_key_info"));
  assert.deepEqual(lines, ['kleidi_key_info{key="kek",provider="local",use="active",key_id_sha256="v99"} 1']);
});

test("the age of Status is that of the active key's last good probe", async () => {
  await has(new Metrics(OPTIONS), ["kleidi_status_age_seconds 2", "kleidi_probe_interval_seconds 10"]);
  const { goodAgeMs: _, ...never } = KEY;
  const metrics = new Metrics(OPTIONS);
  const samples = { keys: [{ ...never, ready: false }] };
  const lines = await scraped(metrics, samples);
  const age = lines.find((line) => line.startsWith("kleidi_status_age_seconds"))?.split(" ")[1];
  assert.ok(Number(age) > 0, "before the first good probe it is the age of the host");
  assert.ok(!lines.some((line) => line.startsWith("kleidi_key_last_good_probe")));
  await has(metrics, ['kleidi_key_ready{key="kek",provider="local",use="active"} 0'], samples);
});

test("the ready metric is 0 if the host is not ready", async () => {
  await has(new Metrics(OPTIONS), ["kleidi_ready 0"], { ready: false });
  await has(new Metrics(OPTIONS), ["kleidi_ready 1"]);
});

test("the expiry of a credential exists once it is known", async () => {
  const metrics = new Metrics(OPTIONS);
  assert.ok(!(await scraped(metrics)).some((line) => line.startsWith("kleidi_credential_expiry")));
  metrics.credential({ provider: "local", event: "login", expires: 1_800_000_000_000 });
  metrics.credential({ provider: "local", event: "failed" });
  await has(metrics, [
    'kleidi_credential_expiry_timestamp_seconds{provider="local"} 1800000000',
    'kleidi_credential_events_total{provider="local",event="login"} 1',
    'kleidi_credential_events_total{provider="local",event="failed"} 1',
  ]);
});

test("the numbers of the audit log are read at the scrape, and absent without an audit log", async () => {
  assert.ok(
    !(await scraped(new Metrics(OPTIONS))).some((line) => /^kleidi_audit_(lag|untrusted)/.test(line)),
  );
  const metrics = new Metrics(OPTIONS);
  await scraped(metrics, { audit: { lagLines: 1, lagBytes: 100, failures: 1, untrusted: 0 } });
  const expected = [
    "kleidi_audit_lag_lines 2",
    "kleidi_audit_lag_bytes 200",
    "kleidi_audit_failures_total 5",
    "kleidi_audit_untrusted_files 2",
  ];
  await has(metrics, expected, { audit: { lagLines: 2, lagBytes: 200, failures: 5, untrusted: 2 } });
});

test("the registry contains the metrics of the table, and Node's own", async () => {
  const text = await new Metrics(OPTIONS).scrape(SAMPLES);
  const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name);
  assert.deepEqual(names.filter((name) => name.startsWith("kleidi_")).sort(), Object.keys(METRICS).sort());
  assert.ok(names.includes("nodejs_eventloop_lag_p99_seconds"));
});

test("each name has the Prometheus suffix of its type and unit", () => {
  for (const [name, { type, labels }] of Object.entries(METRICS)) {
    assert.equal(name.endsWith("_total"), type === "counter", name);
    if (type === "histogram") assert.match(name, /_seconds$/);
    if (name.endsWith("_info")) assert.ok(labels.length > 0, name);
  }
  assert.deepEqual(
    BUCKETS,
    BUCKETS.toSorted((a, b) => a - b),
  );
});

test("the keys are read once per scrape", async () => {
  let reads = 0;
  const samples = {
    ...SAMPLES,
    get keys() {
      reads += 1;
      return [KEY];
    },
  };
  const metrics = new Metrics(OPTIONS);
  await metrics.scrape(samples);
  assert.equal(reads, 1);
  await metrics.scrape(samples);
  assert.equal(reads, 2);
});

test("the duration of an RPC is in seconds, and its overhead excludes waits", async () => {
  const metrics = new Metrics(OPTIONS);
  metrics.rpc("Decrypt", "ok", 2000, 500);
  metrics.rpc("Decrypt", "ok", 3000, 4000);
  const sums = (await scraped(metrics)).filter((line) => /_sum\{rpc="decrypt"\}/.test(line)).sort();
  assert.deepEqual(sums, [
    'kleidi_rpc_duration_seconds_sum{rpc="decrypt"} 5',
    'kleidi_rpc_overhead_seconds_sum{rpc="decrypt"} 1.5',
  ]);
});
