import assert from "node:assert/strict";
import { test } from "node:test";
import { page } from "./page.ts";
import type { HostReport } from "./report.ts";

const AT = Date.UTC(2026, 10, 25, 9, 0, 0);
const REPORT: HostReport = {
  version: "1.2.3",
  wall: "bubblewrap",
  configurationSha256: "ab".repeat(32),
  startedAt: AT - (2 * 86_400 + 3 * 3600 + 5) * 1000,
  at: AT,
  providers: {
    vault: {
      state: "ready",
      processes: 2,
      wanted: 2,
      ends: 1,
      inFlight: 3,
      waiting: 4,
      module: { name: "vault", version: "0.9", sha256: "ab".repeat(32), trust: "signed by release" },
      reach: [{ ok: true, detail: "net request in status, of https://vault.example:8200", why: "to ask it" }],
      reached: [
        {
          capability: "net",
          operation: "request",
          allowed: 7,
          denied: 1,
          refused: 2,
          targets: ["GET /v1/a", "GET /v1/b"],
        },
      ],
    },
  },
  keys: [
    {
      name: "kek",
      provider: "vault",
      use: "active",
      key_id_hashes: [`sha256:${"ab".repeat(32)}`],
      key_id_sha256: "0123456789abcdef",
      version: "7",
      probe: { at: AT - 61_000, result: "good", goodAgeMs: 61_000 },
    },
  ],
  denials: [
    {
      at: AT - 1000,
      provider: "vault",
      rpc: "encrypt",
      request: "net request",
      why: "POST /x is not granted",
    },
  ],
  changes: [{ at: AT, subject: "key kek", good: true, detail: "it is ready" }],
};

/** The text of the page, with a space for each tag. */
function textOf(report: HostReport): string {
  const [, body = ""] = /<body>(.*)<\/body>/s.exec(page(report)) ?? [];
  return body.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ");
}

test("the page shows the report", (t) => {
  const text = textOf(REPORT);
  for (const fact of [
    "kleidí 1.2.3",
    "up for 2 d 3 h, since 2026-11-23 05:59:55 UTC",
    "as of 2026-11-25 09:00:00 UTC",
    "Ready: Status answers with the active key.",
    "kek active vault ready 0123456789abcdef 7 good, 1 min 1 s ago",
    "vault ready Module vault 0.9 SHA-256 abab",
    "Signatures signed by release",
    "3 in flight, 4 waiting",
    "net request 7 1 2 GET /v1/a, GET /v1/b",
    "2026-11-25 08:59:59 UTC vault encrypt net request POST /x is not granted",
    "key kek good it is ready",
  ])
    assert.ok(text.includes(fact), `"${fact}" is in ${text}`);
  t.assert.snapshot(text);
});

test("the page of a host that is not ready begins with the reason, and its title reports it", () => {
  const report = { ...REPORT, notReadyReason: "Cannot use key kek" };
  assert.match(page(report), /<title>NOT READY · kleidí<\/title>/);
  assert.match(textOf(report), /Not ready, the API server will stop writing: Cannot use key kek/);
});

test("the page shows the reason and the end of a quarantine, or that only a restart ends it", () => {
  const { vault } = REPORT.providers;
  assert.ok(vault);
  const of = (quarantine: { reason: string; until?: number }) =>
    textOf({ ...REPORT, providers: { vault: { ...vault, state: "quarantined", quarantine } } });
  assert.match(
    of({ reason: "it ended", until: AT }),
    /In quarantine until 2026-11-25 09:00:00 UTC : it ended/,
  );
  assert.match(of({ reason: "it was taken over" }), /until the host is restarted: it was taken over/);
});

test("the page shows the error of a key that fails, and its last good probe", () => {
  const key = {
    name: "old",
    provider: "vault",
    use: "decrypt",
    key_id_hashes: [],
    failure: "Cannot reach it",
    code: "backend-unreachable",
  };
  const probe = { at: AT - 5000, result: "failed" } as const;
  const text = (goodAgeMs?: number) =>
    textOf({
      ...REPORT,
      keys: [{ ...key, probe: { ...probe, ...(goodAgeMs !== undefined && { goodAgeMs }) } }],
    });
  assert.match(
    text(),
    /old decrypt only vault failed backend-unreachable Cannot reach it — — failed, 5 s ago; never good/,
  );
  assert.match(text(65_000), /failed, 5 s ago; good 1 min 5 s ago/);
});
