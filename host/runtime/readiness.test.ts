import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AuditLog } from "../audit/log.ts";
import { KleidiError } from "../error.ts";
import { deriveKeyId } from "../kms/key-id.ts";
import { notReadyReason } from "./readiness.ts";

const keyId = await deriveKeyId("kek", "1");
const good = { activeKeyId: () => keyId };

test("a host whose audit log accepts no lines is not ready, even with healthy keys", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-admin-"));
  try {
    const log = await AuditLog.open({ file: join(folder, "audit.jsonl"), stdout: false });
    await log.settled();
    assert.equal(notReadyReason(good, log), undefined);
    await log.close();
    assert.equal(notReadyReason(good, log), "Cannot audit: the audit log is closed");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a host is not ready if Status fails, for the same reason", () => {
  const failing = {
    activeKeyId() {
      throw new KleidiError("key-not-ready/starting", "Cannot answer Status: not yet");
    },
  };
  assert.equal(notReadyReason(failing), "Cannot answer Status: not yet");
  assert.equal(notReadyReason(good), undefined);
});
