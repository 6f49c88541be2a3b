import assert from "node:assert/strict";
import { test } from "node:test";
import { testRefusals } from "../../test/support/config-faults.ts";
import { parseConfig } from "./parse.ts";

/** A valid configuration with this text as its `audit`. */
const withAudit = (audit: string) => `apiVersion: kleidi.dev/v1
listen: { socket: /run/kms.sock }
providers: { local: { module: a, sha256: ${"0123456789abcdef".repeat(4)} } }
keys: [{ name: kek, provider: local, use: active }]
${audit}
`;
const auditOf = (audit: string) => parseConfig(withAudit(audit), "/etc/kleidi/k.yaml").audit;

test("a configuration without audit has no audit log", () => {
  assert.equal(auditOf(""), undefined);
});

test("audit with a file alone has defaults and an absolute path", () => {
  assert.deepEqual(auditOf("audit: { file: audit.jsonl }"), {
    file: "/etc/kleidi/audit.jsonl",
    stdout: false,
  });
});

test("every key of audit is converted to its unit", () => {
  assert.deepEqual(
    auditOf(
      "audit: { file: /a, stdout: true, rotate: { size: 2MiB, keep: 3 }, checkpoints: { key: k, lines: 5, interval: 2s } }",
    ),
    {
      file: "/a",
      stdout: true,
      rotate: { sizeBytes: 2_097_152, keep: 3 },
      checkpoints: { key: "/etc/kleidi/k", lines: 5, intervalMs: 2_000 },
    },
  );
  assert.deepEqual(auditOf("audit: { stdout: true, checkpoints: { key: /k } }"), {
    stdout: true,
    checkpoints: { key: "/k", lines: 1000, intervalMs: 60_000 },
  });
});

const cases = [
  ["no sink", "audit: {}", "5:8 audit"],
  ["stdout: false and no file", "audit: { stdout: false }", "5:8 audit"],
  ["rotate without a file", "audit: { stdout: true, rotate: {} }", "5:24 audit.rotate"],
  ["a size that is too small", "audit: { file: a, rotate: { size: 1KiB } }", "5:35 audit.rotate.size"],
  ["checkpoints without a key", "audit: { file: a, checkpoints: {} }", "5:19 audit.checkpoints.key"],
] as const;
testRefusals(
  "audit",
  cases.map(([name, audit, place]) => ({ name, text: withAudit(audit), place })),
);
