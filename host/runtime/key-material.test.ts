import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { KeyMaker, race } from "../../test/support/key-makers.ts";
import { createMaterial, removeMaterial } from "./key-material.ts";

function place(t: Pick<TestContext, "after">): { folder: string; path: string } {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-material-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, path: join(folder, "kek.hex") };
}

test("created key material is in a file that only its owner can read, until it is removed", (t) => {
  const { folder, path } = place(t);
  const material = createMaterial(path);
  assert.equal(readFileSync(path, "utf8"), `${Buffer.from(material).toString("hex")}\n`);
  assert.equal(statSync(path).mode & 0o7777, 0o600);
  removeMaterial(path);
  assert.deepEqual(readdirSync(folder), []);
});

/** The steps that change something; with one more, the process is not killed. */
const STEPS = 9;

for (let kill = 0; kill <= STEPS; kill++)
  test(`a process killed before step ${kill} leaves no key material in a staging file after the next one has run`, async (t) => {
    const { folder, path } = place(t);
    const maker = await KeyMaker.start();
    const said = await maker.make({ what: "escrow", path, name: "", kill });
    await maker.end();
    assert.equal(said !== undefined, kill === STEPS, `its output is ${said}`);
    const isMade = readdirSync(folder).includes("kek.hex");
    if (isMade) assert.throws(() => createMaterial(path), { code: "key-exists" });
    else createMaterial(path);
    assert.deepEqual(readdirSync(folder), ["kek.hex"]);
    assert.match(readFileSync(path, "utf8"), /^[0-9a-f]{64}\n$/);
    assert.equal(statSync(path).nlink, 1);
  });

test("of two processes that create one file concurrently at most one succeeds, and the file has its bytes", async (t) => {
  const makers = [await KeyMaker.start(), await KeyMaker.start()];
  t.after(() => Promise.all(makers.map((maker) => maker.end())));
  for (let i = 0; i < 20; i++) {
    const { path } = place(t);
    const said = await race(makers, { what: "escrow", path, name: "" });
    const made = said.filter((each) => /^[0-9a-f]{64}$/.test(each ?? ""));
    assert.ok(made.length <= 1, String(said));
    if (made.length === 1) assert.equal(readFileSync(path, "utf8"), `${made[0]}\n`);
  }
});

test("other files are left unchanged", (t) => {
  const { folder, path } = place(t);
  const kept = [".kek.hex.0123456789abcde", ".kek.hex.bak", ".other.hex.0123456789abcdef"];
  for (const name of [...kept, ".kek.hex.0123456789abcdef"]) writeFileSync(join(folder, name), "");
  createMaterial(path);
  assert.deepEqual(readdirSync(folder).sort(), [...kept, "kek.hex"].sort());
});
