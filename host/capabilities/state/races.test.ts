/** Real processes that create the same record concurrently, and one that is killed at each step of creating it. */
import assert from "node:assert/strict";
import fs, { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { assertFailure } from "../../../test/support/failures.ts";
import { KeyMaker, race } from "../../../test/support/key-makers.ts";
import { FOLDER_LOCK } from "../../lib/lock.ts";
import { StateDirectory } from "./directory.ts";
import { formatRecord } from "./record.ts";

const RACES = Number(process.env.KLEIDI_RACES ?? 30);

function setUp(t: Pick<TestContext, "after">): StateDirectory {
  const path = mkdtempSync(join(tmpdir(), "kleidi-races-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return new StateDirectory(path);
}

const makers: KeyMaker[] = [];
before(async () => {
  makers.push(await KeyMaker.start(), await KeyMaker.start());
});
after(async () => {
  for (const maker of makers) await maker.end();
});

const text = (value: Uint8Array | undefined) => Buffer.from(value ?? []).toString();

test(`of two processes that create a record concurrently one succeeds, and the record is its own (${RACES} races)`, async (t) => {
  for (let i = 0; i < RACES; i++) {
    const records = setUp(t);
    const said = await race(makers, { what: "record", path: records.path, name: "kek" });
    const [made, ...others] = said.filter((each) => each !== "there is one");
    assert.deepEqual(others, [], `race ${i}: ${said}`);
    assert.equal(text(records.get("kek")), made);
    assert.deepEqual(readdirSync(records.path).sort(), ["kek.made", "kek.state"]);
  }
});

test("a record that another process created between the check and the link is not replaced, and put returns false", (t) => {
  const records = setUp(t);
  const real = fs.linkSync;
  const mock = t.mock.method(fs, "linkSync", (from: string, to: string) => {
    mock.mock.restore();
    syncBuiltinESMExports();
    writeFileSync(to, formatRecord("kek", Buffer.from("the other one's")), { mode: 0o600 });
    real(from, to);
  });
  syncBuiltinESMExports();
  try {
    assert.equal(records.put("kek", Buffer.from("mine")), false);
  } finally {
    mock.mock.restore();
    syncBuiltinESMExports();
  }
  assert.equal(text(records.get("kek")), "the other one's");
  assert.deepEqual(readdirSync(records.path).sort(), ["kek.made", "kek.state"]);
});

/** The changing steps of put; with one more, the process is not killed. */
const STEPS = 18;

for (let kill = 0; kill <= STEPS; kill++)
  test(`a process killed before step ${kill} leaves the record or none, and no leftover after a host has started`, async (t) => {
    const maker = await KeyMaker.start();
    const records = setUp(t);
    const said = await maker.make({ what: "record", path: records.path, name: "kek", kill });
    await maker.end();
    assert.equal(said !== undefined, kill === STEPS, `its output is ${said}`);
    assert.equal(records.tidy(["kek"]), undefined);
    const isMade = readdirSync(records.path).includes("kek.state");
    assert.equal(records.get("kek") !== undefined, isMade);
    const files = readdirSync(records.path).filter((each) => each !== FOLDER_LOCK);
    assert.deepEqual(files.sort(), isMade ? ["kek.made", "kek.state"] : []);
    assert.equal(records.put("kek", Buffer.from("again")), !isMade);
  });

test("only staging files of these names are removed", (t) => {
  const records = setUp(t);
  const kept = [
    ".kek.state.0123456789abcde",
    ".kek.state.0123456789ABCDEF",
    ".kek.other.0123456789abcdef",
    ".kek-2.state.0123456789abcdef",
    "kek.state.0123456789abcdef",
  ];
  for (const name of [...kept, ".kek.state.0123456789abcdef", ".kek.made.0123456789abcdef"])
    writeFileSync(join(records.path, name), "");
  records.tidy(["kek"]);
  assert.deepEqual(readdirSync(records.path).sort(), [FOLDER_LOCK, ...kept].sort());
});

test("while another process creates a record, nothing is removed and a further creation is refused", async (t) => {
  const records = setUp(t);
  const staged = join(records.path, ".kek.state.0123456789abcdef");
  writeFileSync(staged, "");
  const release = records.lock("Cannot create it");
  assert.equal(new StateDirectory(records.path).tidy(["kek"]), undefined);
  assert.deepEqual(readdirSync(records.path).sort(), [FOLDER_LOCK, ".kek.state.0123456789abcdef"].sort());
  await assertFailure(t, "key-locked", () => new StateDirectory(records.path).lock("Cannot create it"), {
    FOLDER: records.path,
  });
  release();
  new StateDirectory(records.path).lock("Cannot create it")();
});
