import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "./config-error.ts";
import { parseConfig } from "./parse.ts";

/** A valid configuration with this as its part audit. */
const withAudit = (audit: string) => `apiVersion: kleidi.dev/v1
listen: { socket: /run/kms.sock }
providers: { local: { module: a, sha256: ${"0123456789abcdef".repeat(4)} } }
keys: [{ name: kek, provider: local, use: active }]
${audit}
`;
const auditOf = (audit: string) => parseConfig(withAudit(audit), "/etc/kleidi/k.yaml").audit;

test("there is no audit log where none is configured", () => {
  assert.equal(auditOf(""), undefined);
});

test("a file alone has its defaults, and its path is resolved", () => {
  assert.deepEqual(auditOf("audit: { file: audit.jsonl }"), {
    file: "/etc/kleidi/audit.jsonl",
    stdout: false,
  });
});

test("every key is read in its unit", () => {
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

for (const [what, audit, fault] of [
  [
    "no sink",
    "audit: {}",
    "5:8 audit: expected a file or stdout for the lines, found neither; write: file: /var/log/kleidi/audit.jsonl",
  ],
  [
    "stdout: false and no file",
    "audit: { stdout: false }",
    "5:8 audit: expected a file or stdout for the lines, found neither; write: file: /var/log/kleidi/audit.jsonl",
  ],
  [
    "rotate without a file",
    "audit: { stdout: true, rotate: {} }",
    "5:24 audit.rotate: expected a file, because it is to be rotated, found no audit.file; remove rotate",
  ],
  [
    "a size that is too small",
    "audit: { file: a, rotate: { size: 1KiB } }",
    '5:35 audit.rotate.size: expected an amount of memory from 1MiB to 1024MiB, found "1KiB"; write: size: 1MiB',
  ],
  [
    "checkpoints without a key",
    "audit: { file: a, checkpoints: {} }",
    "5:19 audit.checkpoints.key: expected the path of a private key, found nothing; write: key: /etc/kleidi/audit.key",
  ],
] as const) {
  test(`the configuration refuses ${what}`, () => {
    assert.throws(
      () => auditOf(audit),
      (error: Error) => {
        assert.ok(error instanceof ConfigError);
        assert.equal(
          error.message,
          `Cannot use the configuration /etc/kleidi/k.yaml: 1 fault\n/etc/kleidi/k.yaml:${fault}`,
        );
        return true;
      },
    );
  });
}
