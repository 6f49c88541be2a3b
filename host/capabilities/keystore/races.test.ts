/** Real processes that create the same key at the same time, and one that is killed at each step of creating it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { linkSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { assertFailure } from "../../../test/support/failures.ts";
import { KeyMaker, race } from "../../../test/support/key-makers.ts";
import { FOLDER_LOCK, takeLock } from "../../lib/lock.ts";
import { KeyDirectory } from "./directory.ts";
import { fingerprint } from "./key-file.ts";

const RACES = Number(process.env.KLEIDI_RACES ?? 30);

function folder(t: Pick<TestContext, "after">): string {
  const path = mkdtempSync(join(tmpdir(), "kleidi-races-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const makers: KeyMaker[] = [];
before(async () => {
  makers.push(await KeyMaker.start(), await KeyMaker.start());
});
after(async () => {
  for (const maker of makers) await maker.end();
});

/** Asserts that there is one key with its record, and no leftover. @returns its fingerprint */
function assertIntact(path: string, name = "main"): string {
  const keys = new KeyDirectory(path);
  const version = fingerprint(keys.load(name));
  assert.equal(keys.record(name)?.fingerprint, version);
  assert.deepEqual(readdirSync(path).sort(), [FOLDER_LOCK, `${name}.json`, `${name}.key`]);
  assert.equal(statSync(keys.keyPath(name)).nlink, 1);
  return version;
}

test(`of two processes that create a key concurrently one succeeds, and its output, the key and the record agree (${RACES} races)`, async (t) => {
  for (let i = 0; i < RACES; i++) {
    const path = folder(t);
    const said = await race(makers, { what: "key", path, name: "main" });
    const [made, ...others] = said.filter((each) => each !== "key-exists");
    assert.deepEqual(others, [], `race ${i}: ${said}`);
    assert.equal(assertIntact(path), made);
  }
});

test("two processes that create two keys in one folder both succeed", async (t) => {
  const path = folder(t);
  const at = Date.now() + 10;
  const names = ["one", "two"] as const;
  const said = await Promise.all(names.map((name, i) => makers[i]?.make({ what: "key", path, name, at })));
  const keys = new KeyDirectory(path);
  assert.deepEqual(
    names.map((name) => fingerprint(keys.load(name))),
    said,
  );
});

test("a lock that is held too long is reported with the folder, and nothing is created", async (t) => {
  const path = folder(t);
  const release = takeLock(join(path, FOLDER_LOCK));
  await assertFailure(t, "key-locked", () => new KeyDirectory(path).create("main"), { FOLDER: path });
  release();
  assert.deepEqual(readdirSync(path), [FOLDER_LOCK]);
});

/** The changing steps of create; with one more, the process is not killed. */
const STEPS = 13;

for (let kill = 0; kill <= STEPS; kill++) {
  test(`the next process finishes or creates the key of one killed before step ${kill}, and leaves nothing else`, async (t) => {
    const maker = await KeyMaker.start();
    const path = folder(t);
    const said = await maker.make({ what: "key", path, name: "main", kill });
    await maker.end();
    assert.equal(said !== undefined, kill === STEPS, `its output is ${said}`);
    const keys = new KeyDirectory(path);
    const recorded = keys.record("main")?.fingerprint;
    const isMade = readdirSync(path).includes("main.key");
    if (isMade) keys.tidy(["main"]);
    else keys.create("main");
    const version = assertIntact(path);
    if (recorded !== undefined) assert.equal(version, recorded);
    if (said !== undefined) assert.equal(version, said);
  });

  test(`a host that starts after a kill before step ${kill} removes the staged key`, async (t) => {
    const maker = await KeyMaker.start();
    const path = folder(t);
    await maker.make({ what: "key", path, name: "main", kill });
    await maker.end();
    const keys = new KeyDirectory(path);
    keys.tidy(["main"]);
    const files = readdirSync(path).filter((each) => each !== FOLDER_LOCK);
    // A key that can be published stays, with its record.
    const states = [[], [".main.key.new", "main.json"], ["main.json", "main.key"]];
    assert.ok(
      states.some((each) => each.join() === files.sort().join()),
      files.join(),
    );
    if (!files.includes("main.key")) keys.create("main");
    assertIntact(path);
  });
}

test("leftovers are not removed while another process creates a key", (t) => {
  const path = folder(t);
  const staged = join(path, ".main.key.new");
  writeFileSync(staged, "a key in the making", { mode: 0o600 });
  const release = takeLock(join(path, FOLDER_LOCK));
  const keys = new KeyDirectory(path);
  keys.tidy(["main"]);
  assert.deepEqual(readdirSync(path).sort(), [FOLDER_LOCK, ".main.key.new"].sort());
  release();
  keys.tidy(["other"]);
  assert.deepEqual(readdirSync(path).sort(), [FOLDER_LOCK, ".main.key.new"].sort());
  keys.tidy(["main"]);
  assert.deepEqual(readdirSync(path), [FOLDER_LOCK]);
});

test("a second complete key that an earlier kleidi left is removed", (t) => {
  const path = folder(t);
  const keys = new KeyDirectory(path);
  keys.create("main");
  linkSync(keys.keyPath("main"), join(path, ".main.key.new"));
  keys.tidy(["main"]);
  assertIntact(path);
});

test("load waits for a key that is being created", async (t) => {
  const path = folder(t);
  const keys = new KeyDirectory(path);
  const { fingerprint: version } = keys.create("main");
  // The state between the record and the link.
  const staged = join(path, ".main.key.new");
  linkSync(keys.keyPath("main"), staged);
  rmSync(keys.keyPath("main"));
  const program = `
    const { takeLock } = await import(process.argv[1]);
    const { linkSync } = await import("node:fs");
    const release = takeLock(process.argv[2]);
    process.stdout.write("locked");
    setTimeout(() => { linkSync(process.argv[3], process.argv[4]); release(); }, 200);`;
  const module = new URL("../../lib/lock.ts", import.meta.url).href;
  const args = [module, join(path, FOLDER_LOCK), staged, keys.keyPath("main")];
  const other = spawn(process.execPath, ["--input-type=module", "-e", program, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => other.stdout.once("data", resolve));
  assert.equal(fingerprint(keys.load("main")), version);
});
