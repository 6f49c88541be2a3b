import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { KeyMaker, race } from "../../test/support/key-makers.ts";
import { publicLine } from "../audit/checkpoint.ts";
import { loadKey } from "../audit/key-file.ts";
import { FOLDER_LOCK, takeLock } from "../lib/lock.ts";
import { createAuditKey } from "./create-audit-key.ts";

function place(t: Pick<TestContext, "after">): { folder: string; path: string } {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-audit-key-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, path: join(folder, "audit.key") };
}

const publicOf = (path: string) => publicLine(createPublicKey(loadKey(path)));

/** The steps that change something; with one more, the process is not killed. */
const STEPS = 9;

for (let kill = 0; kill <= STEPS; kill++)
  test(`a process killed before step ${kill} leaves a key or none, and no other file after the next one has run`, async (t) => {
    const { folder, path } = place(t);
    const maker = await KeyMaker.start();
    const said = await maker.make({ what: "audit key", path, name: "", kill });
    await maker.end();
    assert.equal(said !== undefined, kill === STEPS, `its output is ${said}`);
    if (readdirSync(folder).includes("audit.key"))
      assert.throws(() => createAuditKey(path), { code: "audit-invalid" });
    else createAuditKey(path);
    assert.deepEqual(readdirSync(folder).sort(), [FOLDER_LOCK, "audit.key"]);
    if (said !== undefined) assert.equal(publicOf(path), said);
    else publicOf(path);
  });

test("of two processes that create a key concurrently one succeeds, and prints the key in the file", async (t) => {
  const makers = [await KeyMaker.start(), await KeyMaker.start()];
  t.after(() => Promise.all(makers.map((maker) => maker.end())));
  for (let i = 0; i < 20; i++) {
    const { path } = place(t);
    const said = await race(makers, { what: "audit key", path, name: "" });
    const made = said.filter((each) => each !== "audit-invalid");
    assert.deepEqual(made, [publicOf(path)]);
  }
});

test("other files are left unchanged, and a held lock is reported", (t) => {
  const { folder, path } = place(t);
  const kept = ["audit.key.0123456789.new", "audit.key.new", "other.key.0123456789ab.new"];
  for (const name of [...kept, "audit.key.0123456789ab.new"]) writeFileSync(join(folder, name), "");
  const release = takeLock(join(folder, FOLDER_LOCK));
  assert.throws(() => createAuditKey(path), {
    code: "key-locked",
    message: `Cannot create the audit key ${path}: its lock ${join(folder, FOLDER_LOCK)} is held by this process`,
  });
  release();
  createAuditKey(path);
  assert.deepEqual(readdirSync(folder).sort(), [FOLDER_LOCK, ...kept, "audit.key"].sort());
});

test("the function that creates the key reports a missing folder", (t) => {
  const { path } = place(t);
  assert.throws(() => createAuditKey(join(path, "no", "audit.key")), {
    code: "audit-invalid",
    message: /the system refuses it \(ENOENT\): the folder .* does not exist; create it: install -d /,
  });
});
