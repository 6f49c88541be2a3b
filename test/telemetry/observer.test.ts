/** The host's events appear in the metrics and in the state report. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CredentialEvent } from "../../host/capabilities/capability.ts";
import { parseConfig } from "../../host/config/parse.ts";
import { KleidiError } from "../../host/error.ts";
import { deriveKeyId } from "../../host/kms/key-id.ts";
import { type KeyConfig, Keyset } from "../../host/kms/keyset.ts";
import { metricSamples } from "../../host/runtime/host-view.ts";
import { Telemetry } from "../../host/runtime/telemetry.ts";
import { localConfig } from "../support/fixture.ts";
import { samplesOf, total } from "../support/promtool.ts";

const config = parseConfig(localConfig([{ name: "kek", use: "active" }]), "/etc/kleidi/kleidi.yaml");
const unused = () => Promise.reject(new Error("unused"));
const key: KeyConfig = {
  name: "kek",
  provider: { name: "local", status: unused, encrypt: unused, decrypt: unused },
  use: "active",
};

async function open() {
  const identity = { version: "1", wall: "bubblewrap" } as const;
  const telemetry = await Telemetry.open(config, identity);
  const keyset = new Keyset([key]);
  const view = {
    identity,
    reloader: { last: undefined },
    serving: {
      current: {
        prober: { refresh: async () => {} },
        config,
        providers: { all: [], refused: [] },
        keyset,
        service: { activeKeyId: () => keyset.encryptWith().keyId },
      },
    },
    server: { assertReachable: () => {}, sample: () => ({ connections: 5, requests: 4, arrivingBytes: 2 }) },
    audit: {
      sinks: [],
      assertReady: () => {},
      sample: () => ({ lagLines: 3, lagBytes: 300, failures: 1, untrusted: 0 }),
    },
    recorder: telemetry.recorder,
  };
  return { telemetry, scrape: async () => samplesOf(await telemetry.metrics.scrape(metricSamples(view))) };
}

test("a new version of a key is counted, its recovery from a failure is not", async () => {
  const { telemetry, scrape } = await open();
  const [one, two] = [await deriveKeyId("kek", "1"), await deriveKeyId("kek", "2")];
  telemetry.keyChanged({ key, keyId: one });
  telemetry.keyChanged({
    key,
    failure: new KleidiError("backend-unreachable/connection", "Cannot status: offline"),
  });
  telemetry.keyChanged({ key, keyId: one });
  assert.equal(total(await scrape(), "kleidi_key_version_changes_total"), 0);
  telemetry.keyChanged({ key, keyId: two });
  assert.equal(total(await scrape(), "kleidi_key_version_changes_total", { key: "kek" }), 1);
  const details = telemetry.recorder
    .changes()
    .map(({ good, detail }) => `${good} ${detail.replace(/ [0-9a-f]{16}$/, " …")}`);
  assert.deepEqual(details, [
    "true it is ready, in another version: key_id sha256 …",
    "true it is ready: key_id sha256 …",
    "false backend-unreachable: Cannot status: offline",
    "true it is ready: key_id sha256 …",
  ]);
});

test("a credential's events are counted, its expiry is reported, and its changes are in the history", async () => {
  const { telemetry, scrape } = await open();
  const events: CredentialEvent[] = [
    { provider: "local", event: "login", expires: 1_800_000_000_000 },
    { provider: "local", event: "renewed", expires: 1_800_000_000_000 },
    { provider: "local", event: "refused", why: "HTTP 403" },
    { provider: "local", event: "refused", why: "HTTP 403" },
    { provider: "local", event: "failed", why: "sealed" },
    { provider: "local", event: "refused" },
    { provider: "local", event: "failed", why: "sealed" },
  ];
  for (const event of events) telemetry.credentialChanged(event);
  const samples = await scrape();
  assert.equal(total(samples, "kleidi_credential_events_total", { event: "refused" }), 3);
  assert.equal(
    total(samples, "kleidi_credential_expiry_timestamp_seconds", { provider: "local" }),
    1_800_000_000,
  );
  assert.deepEqual(
    telemetry.recorder.changes().map(({ subject, good, detail }) => [subject, good, detail]),
    [
      ["credential of local", false, "failed: sealed"],
      ["credential of local", false, "refused: HTTP 403"],
      ["credential of local", true, "login"],
    ],
  );
});

test("the scrape has the state of the audit log and of the socket, and the host is not ready before a probe", async () => {
  const samples = await (await open()).scrape();
  assert.deepEqual(
    ["lag_lines", "lag_bytes", "failures_total"].map((name) => total(samples, `kleidi_audit_${name}`)),
    [3, 300, 1],
  );
  assert.deepEqual(
    ["connections", "requests_open", "requests_arriving_bytes"].map((name) =>
      total(samples, `kleidi_${name}`),
    ),
    [5, 4, 2],
  );
  assert.equal(total(samples, "kleidi_ready"), 0);
});

test("a provider's quarantine is in the history", async () => {
  const { telemetry } = await open();
  telemetry.providerChanged("local", { type: "quarantined", reason: "its process was taken over" });
  const [change] = telemetry.recorder.changes();
  assert.deepEqual([change?.subject, change?.good], ["provider local", false]);
  assert.match(change?.detail ?? "", /taken over/);
});
