import assert from "node:assert/strict";
import { test } from "node:test";
import { Metrics, type ProviderSample } from "./metrics.ts";

const SAMPLE: ProviderSample = {
  name: "local",
  state: "ready",
  processes: 2,
  ends: 3,
  inFlight: 1,
  waiting: 0,
};

async function scraped(metrics: Metrics): Promise<string[]> {
  return (await metrics.registry.metrics()).split("\n").filter((line) => line.startsWith("kleidi_"));
}

test("a provider's numbers are those of the moment of the scrape", async () => {
  let sample = SAMPLE;
  const metrics = new Metrics("1.2.3", () => [sample]);
  await scraped(metrics);
  sample = { ...SAMPLE, state: "quarantined", processes: 0, ends: 10 };
  const lines = await scraped(metrics);
  for (const line of [
    'kleidi_build_info{version="1.2.3"} 1',
    'kleidi_provider_state{provider="local",state="quarantined"} 1',
    'kleidi_provider_state{provider="local",state="ready"} 0',
    'kleidi_provider_processes{provider="local"} 0',
    'kleidi_provider_process_ends_total{provider="local"} 10',
    'kleidi_provider_calls_in_flight{provider="local"} 1',
  ])
    assert.ok(lines.includes(line), `${line} is one of\n${lines.join("\n")}`);
});

test("RPCs are counted by code, and their time by RPC", async () => {
  const metrics = new Metrics("1", () => []);
  metrics.rpc("Decrypt", "ok", 0.2);
  metrics.rpc("Decrypt", "key-unknown", 3);
  const lines = await scraped(metrics);
  assert.ok(lines.includes('kleidi_rpcs_total{rpc="Decrypt",code="ok"} 1'));
  assert.ok(lines.includes('kleidi_rpcs_total{rpc="Decrypt",code="key-unknown"} 1'));
  assert.ok(lines.includes('kleidi_rpc_duration_seconds_bucket{le="0.00025",rpc="Decrypt"} 1'));
  assert.ok(lines.includes('kleidi_rpc_duration_seconds_count{rpc="Decrypt"} 2'));
});

test("host calls are counted by provider, capability and verdict", async () => {
  const metrics = new Metrics("1", () => []);
  metrics.hostCall("local", "keystore", "denied");
  assert.ok(
    (await scraped(metrics)).includes(
      'kleidi_host_calls_total{provider="local",capability="keystore",verdict="denied"} 1',
    ),
  );
});
