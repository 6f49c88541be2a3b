/** What happens in a host, told through the hooks that its rooms have, is in the metrics and in the report. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CredentialEvent } from "../../host/capabilities/capability.ts";
import { parseConfig } from "../../host/config/parse.ts";
import { KleidiError } from "../../host/error.ts";
import { deriveKeyId } from "../../host/kms/key-id.ts";
import { type KeyConfig, Keyset } from "../../host/kms/keyset.ts";
import { startWatch } from "../../host/runtime/watch.ts";
import { localConfig } from "../support/fixture.ts";
import { samplesOf, total } from "../support/promtool.ts";

const config = parseConfig(localConfig([{ name: "kek", use: "active" }]), "/etc/kleidi/kleidi.yaml");
const unused = () => Promise.reject(new Error("unused"));
const key: KeyConfig = {
  name: "kek",
  provider: { name: "local", status: unused, encrypt: unused, decrypt: unused },
  use: "active",
};

async function watching() {
  const host = {
    keyset: new Keyset([key]),
    providers: new Map(),
    supervisors: new Map(),
    modules: new Map(),
  };
  const lifeless = { ...host, start: async () => {}, stop: async () => {} };
  const audit = () => ({ lagLines: 3, lagBytes: 300, failures: 1, untrusted: 0 });
  const watch = await startWatch(config, "1", {
    wall: "bubblewrap",
    host: () => lifeless,
    unready: () => "not yet",
    audit,
  });
  return { watch, scrape: async () => samplesOf(await watch.metrics.scrape()) };
}

test("another version of a key is counted, its return from a failure is not", async () => {
  const { watch, scrape } = await watching();
  const [one, two] = [await deriveKeyId("kek", "1"), await deriveKeyId("kek", "2")];
  watch.onChange({ key, keyId: one });
  watch.onChange({ key, failure: new KleidiError("backend-unreachable", "Cannot status: offline") });
  watch.onChange({ key, keyId: one });
  assert.equal(total(await scrape(), "kleidi_key_version_changes_total"), 0);
  watch.onChange({ key, keyId: two });
  assert.equal(total(await scrape(), "kleidi_key_version_changes_total", { key: "kek" }), 1);
  const details = watch.recorder
    .changes()
    .map(({ good, detail }) => `${good} ${detail.replace(/ [0-9a-f]{16}$/, " …")}`);
  assert.deepEqual(details, [
    "true it is ready, in another version: key_id sha256 …",
    "true it is ready: key_id sha256 …",
    "false backend-unreachable: Cannot status: offline",
    "true it is ready: key_id sha256 …",
  ]);
});

test("a credential's events are counted, its end is known, and what changes is in the history", async () => {
  const { watch, scrape } = await watching();
  const events: CredentialEvent[] = [
    { provider: "local", event: "login", expires: 1_800_000_000_000 },
    { provider: "local", event: "renewed", expires: 1_800_000_000_000 },
    { provider: "local", event: "refused", why: "HTTP 403" },
    { provider: "local", event: "refused", why: "HTTP 403" },
    { provider: "local", event: "failed", why: "sealed" },
    { provider: "local", event: "refused" },
    { provider: "local", event: "failed", why: "sealed" },
  ];
  for (const event of events) watch.assembly.onCredential?.(event);
  const samples = await scrape();
  assert.equal(total(samples, "kleidi_credential_events_total", { event: "refused" }), 3);
  assert.equal(
    total(samples, "kleidi_credential_expiry_timestamp_seconds", { provider: "local" }),
    1_800_000_000,
  );
  assert.deepEqual(
    watch.recorder.changes().map(({ what, good, detail }) => [what, good, detail]),
    [
      ["credential of local", false, "failed: sealed"],
      ["credential of local", false, "refused: HTTP 403"],
      ["credential of local", true, "login"],
    ],
  );
});

test("the audit log's state is in the scrape", async () => {
  const samples = await (await watching()).scrape();
  assert.deepEqual(
    ["lag_lines", "lag_bytes", "failures_total"].map((name) => total(samples, `kleidi_audit_${name}`)),
    [3, 300, 1],
  );
});

test("a provider's quarantine is in the history", async () => {
  const { watch } = await watching();
  watch.assembly.onQuarantine?.("local", { reason: "its process was taken over" });
  const [change] = watch.recorder.changes();
  assert.deepEqual([change?.what, change?.good], ["provider local", false]);
  assert.match(change?.detail ?? "", /taken over/);
});
