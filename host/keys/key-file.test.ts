import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { loadConfig } from "../config/load.ts";
import { promoteKey, retireKey } from "./edits.ts";
import { placeOf, readHistory, recordsOf } from "./history.ts";
import { withKeyFile } from "./key-file.ts";
import { mayHaveBeenActive, pastOf } from "./past.ts";
import { recoverHistory } from "./recover.ts";

const CONFIG = `# The head.
apiVersion: kleidi.dev/v1
listen: { socket: kms.sock }
keystore: { directory: keys }
providers:
  local:
    module: local.wasm
    sha256: ${"a".repeat(64)}
    grants: { keystore: { keys: [one, two, three] } }
keys:
  - { name: one, provider: local, use: active } # the first
  - { name: two, provider: local, use: decrypt }
  - { name: three, provider: local, use: decrypt }
`;

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-history-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "keys"), { mode: 0o700 });
  writeFileSync(join(folder, "kleidi.yaml"), CONFIG, { mode: 0o640 });
  return folder;
}

const configOf = (folder: string) => join(folder, "kleidi.yaml");
const historyOf = (folder: string) => readHistory(placeOf(loadConfig(configOf(folder))));
const textOf = (folder: string) => readFileSync(configOf(folder), "utf8");
const eventsOf = (folder: string) => recordsOf(historyOf(folder)).map(({ event }) => event);

/** Makes a key active, unless it is. */
async function promote(folder: string, key: string): Promise<readonly string[]> {
  return await withKeyFile(configOf(folder), false, async (file) => {
    const replaces = file.past.active ?? "";
    if (replaces !== key)
      file.replace(promoteKey(file.text, key), { event: "promote", key, provider: "local", replaces });
    return file.notes;
  });
}

describe("a change of the configuration", () => {
  test("replaces the file, keeps its mode, and records the change and its outcome", async (t) => {
    const folder = folderOf(t);
    chmodSync(configOf(folder), 0o604);
    await promote(folder, "two");
    assert.equal(textOf(folder), promoteKey(CONFIG, "two"));
    assert.equal(statSync(configOf(folder)).mode & 0o777, 0o604);
    assert.deepEqual(eventsOf(folder), ["begin", "promote", "done"]);
    const { active, keys } = pastOf(recordsOf(historyOf(folder)));
    assert.equal(active, "two");
    assert.equal(typeof keys.get("one")?.activeUntil, "number");
    assert.equal(statSync(join(folder, "keys", "kleidi.history.mark")).mode & 0o777, 0o644);
  });

  test("replaces the target of a link, and not the link", async (t) => {
    const folder = folderOf(t);
    const real = folderOf(t);
    rmSync(configOf(folder));
    symlinkSync(configOf(real), configOf(folder));
    await promote(folder, "two");
    assert.equal(textOf(real), promoteKey(CONFIG, "two"));
    assert.ok(existsSync(join(real, "kleidi.history.jsonl")));
    assert.equal(existsSync(join(folder, "kleidi.history.jsonl")), false);
  });

  test("is refused if another program changed the file meanwhile", async (t) => {
    const folder = folderOf(t);
    const changed = `${CONFIG}# by hand\n`;
    const change = withKeyFile(configOf(folder), false, async (file) => {
      writeFileSync(configOf(folder), changed);
      file.replace(promoteKey(file.text, "two"), { event: "promote", key: "two", provider: "local" });
    });
    await assert.rejects(change, { code: "config-invalid" });
    assert.equal(textOf(folder), changed);
    assert.deepEqual(eventsOf(folder), ["begin"]);
  });

  test("is refused if its text is not a valid configuration", async (t) => {
    const folder = folderOf(t);
    const change = withKeyFile(configOf(folder), false, async (file) =>
      file.replace("keys: []\n", { event: "retire", key: "one", provider: "local" }),
    );
    await assert.rejects(change, { code: "config-invalid" });
    assert.equal(textOf(folder), CONFIG);
  });

  test("waits for another command, and is refused if that does not end", async (t) => {
    const folder = folderOf(t);
    await withKeyFile(configOf(folder), false, async () => {
      await assert.rejects(promote(folder, "two"), { code: "key-locked" });
    });
    await promote(folder, "two");
  });

  test("is not made in a dry run, which writes nothing", async (t) => {
    const folder = folderOf(t);
    const notes = await withKeyFile(configOf(folder), true, async (file) => file.notes);
    assert.equal(notes.length, 1);
    assert.deepEqual(readdirSync(folder).sort(), ["keys", "kleidi.yaml"]);
  });
});

describe("changes by hand are taken up and told", () => {
  test("a promotion, a removal, an addition", async (t) => {
    const folder = folderOf(t);
    await promote(folder, "one");
    writeFileSync(configOf(folder), retireKey(promoteKey(CONFIG, "two"), "three"));
    const notes = await promote(folder, "two");
    t.assert.snapshot(notes);
    writeFileSync(configOf(folder), promoteKey(CONFIG, "two"));
    t.assert.snapshot(await promote(folder, "two"));
    const past = pastOf(recordsOf(historyOf(folder)));
    assert.equal(past.active, "two");
    // "three" was there before the history began, and came back.
    assert.ok(["one", "three"].every((name) => mayHaveBeenActive(past, name)));
  });

  test("a return to a former key", async (t) => {
    const folder = folderOf(t);
    await promote(folder, "two");
    writeFileSync(configOf(folder), CONFIG);
    await promote(folder, "one");
    assert.equal(pastOf(recordsOf(historyOf(folder))).keys.get("one")?.returned, true);
  });
});

describe("a history that was changed from outside is noticed", () => {
  const file = (folder: string) => join(folder, "kleidi.history.jsonl");
  const lines = (folder: string) => readFileSync(file(folder), "utf8").split("\n");
  const LOSSES: Readonly<Record<string, (folder: string, older: string, other: string) => void>> = {
    missing: (folder) => rmSync(file(folder)),
    older: (folder, older) => copyFileSync(older, file(folder)),
    "of another node": (folder, _, other) => copyFileSync(other, file(folder)),
    empty: (folder) => writeFileSync(file(folder), ""),
    "cut after a line": (folder) => writeFileSync(file(folder), `${lines(folder).slice(0, 2).join("\n")}\n`),
    "cut in a line": (folder) => writeFileSync(file(folder), lines(folder).join("\n").slice(0, -20)),
    "changed in a line": (folder) =>
      writeFileSync(file(folder), readFileSync(file(folder), "utf8").replace('"two"', '"six"')),
    "in another order": (folder) => {
      const [first = "", ...others] = lines(folder);
      writeFileSync(file(folder), [...others.slice(0, -1), first, ""].join("\n"));
    },
  };

  async function prepared(t: TestContext): Promise<[folder: string, older: string, other: string]> {
    const folder = folderOf(t);
    const another = folderOf(t);
    await promote(folder, "two");
    copyFileSync(file(folder), join(folder, "older"));
    await promote(folder, "three");
    await promote(another, "three");
    await promote(another, "two");
    return [folder, join(folder, "older"), file(another)];
  }

  for (const [name, lose] of Object.entries(LOSSES))
    test(name, async (t) => {
      const [folder, older, other] = await prepared(t);
      lose(folder, older, other);
      const text = textOf(folder);
      const { fault } = historyOf(folder);
      t.assert.snapshot(fault?.replaceAll(folder, "FOLDER"));
      await assert.rejects(promote(folder, "one"), { code: "history-invalid" });
      assert.equal(textOf(folder), text);

      const before = historyOf(folder).last;
      const loss = recoverHistory(configOf(folder), ["former"]);
      assert.equal(loss?.fault, fault);
      assert.equal(existsSync(loss?.aside ?? ""), name !== "missing");
      const history = historyOf(folder);
      assert.equal(history.fault, undefined);
      assert.equal(history.last, before + 1);
      const past = pastOf(recordsOf(history));
      assert.equal(past.active, "three");
      assert.ok(["one", "two", "former"].every((each) => mayHaveBeenActive(past, each)));
      assert.equal(recoverHistory(configOf(folder), []), undefined);
      await promote(folder, "two");
      assert.equal(historyOf(folder).fault, undefined);
    });

  test("a mark that is missing or behind does not count as a loss, and is written again", async (t) => {
    const [folder] = await prepared(t);
    const mark = join(folder, "keys", "kleidi.history.mark");
    const newest = readFileSync(mark, "utf8");
    rmSync(mark);
    assert.equal(historyOf(folder).fault, undefined);
    await promote(folder, "one");
    assert.notEqual(readFileSync(mark, "utf8"), newest);
    writeFileSync(mark, newest);
    assert.equal(historyOf(folder).fault, undefined);
  });

  test("a file in the place of a mark that cannot be read as one is named", async (t) => {
    const [folder] = await prepared(t);
    writeFileSync(join(folder, "keys", "kleidi.history.mark"), "x");
    assert.throws(() => historyOf(folder), { code: "history-invalid" });
  });
});

// ---- SIGKILL at every fsync and every rename ----

/** Counts the calls, and kills the process before the one with this number. */
const WORKER = `
  import fs, { writeSync } from "node:fs";
  import { syncBuiltinESMExports } from "node:module";
  const [key, config, work, at] = process.argv.slice(1);
  let calls = 0;
  for (const name of ["fsyncSync", "renameSync"]) {
    const real = fs[name];
    fs[name] = (...args) => {
      calls += 1;
      if (calls === Number(at)) process.kill(process.pid, "SIGKILL");
      return real(...args);
    };
  }
  syncBuiltinESMExports();
  const { withKeyFile } = await import(key);
  const { recoverHistory } = await import(new URL("./recover.ts", key).href);
  const { promoteKey } = await import(new URL("./edits.ts", key).href);
  if (work === "recover") recoverHistory(config, []);
  else await withKeyFile(config, false, async (file) => {
    file.record([{ event: "create", key: "four", provider: "local" }]);
    const text = promoteKey(file.text, "two");
    file.withCopy(text, () => {});
    file.replace(text, { event: "promote", key: "two", provider: "local", replaces: "one" });
  });
  writeSync(1, String(calls));`;

/** @returns the number of calls; undefined if the process was killed */
async function run(folder: string, work: string, at: number): Promise<number | undefined> {
  const module = new URL("./key-file.ts", import.meta.url).href;
  const words = ["--input-type=module", "-e", WORKER, module, configOf(folder), work, String(at)];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const [code, signal] = await once(child, "close");
  if (signal === "SIGKILL") return undefined;
  assert.equal(code, 0);
  return Number(output);
}

/** Kills one process at each point, some at a time. @param check examines the folder after each kill */
async function killAtEach(
  t: TestContext,
  work: string,
  prepare: (folder: string) => Promise<void>,
  check: (folder: string) => Promise<void>,
): Promise<void> {
  const whole = folderOf(t);
  await prepare(whole);
  const points = (await run(whole, work, 0)) ?? 0;
  await check(whole);
  const one = async (at: number) => {
    const folder = folderOf(t);
    await prepare(folder);
    assert.equal(await run(folder, work, at), undefined, `point ${at}`);
    await check(folder);
  };
  const AT_ONCE = 4;
  for (let first = 1; first <= points; first += AT_ONCE)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, points - first + 1) }, (_, i) => one(first + i)),
    );
  t.diagnostic(`${points} points`);
  assert.ok(points > 8, `${points} points`);
}

function leftovers(folder: string): string[] {
  const names = [folder, join(folder, "keys")].flatMap((each) => readdirSync(each));
  return names.filter((name) => /\.[0-9a-f]{16}$/.test(name));
}

test("a process that is killed at any fsync or rename of a change leaves one of the two files and a history that says which", async (t) => {
  const after = promoteKey(CONFIG, "two");
  await killAtEach(
    t,
    "promote",
    async () => {},
    async (folder) => {
      const text = textOf(folder);
      assert.ok(text === CONFIG || text === after, text);
      const { fault } = historyOf(folder);
      assert.equal(fault, undefined);
      await promote(folder, "two");
      assert.equal(textOf(folder), after);
      assert.deepEqual(leftovers(folder), []);
      const past = pastOf(recordsOf(historyOf(folder)));
      assert.equal(past.pending, undefined);
      assert.equal(past.active, "two");
      assert.ok(mayHaveBeenActive(past, "one"));
      // An interrupted promotion does not make a key a former one.
      assert.equal(past.keys.get("two")?.returned, undefined);
      assert.equal(mayHaveBeenActive(past, "four"), false);
    },
  );
});

test("a process that is killed at any fsync or rename of a recovery leaves the loss known or recovered", async (t) => {
  await killAtEach(
    t,
    "recover",
    async (folder) => {
      await promote(folder, "two");
      writeFileSync(join(folder, "kleidi.history.jsonl"), "");
    },
    async (folder) => {
      const recovered = historyOf(folder).fault === undefined;
      assert.equal(recoverHistory(configOf(folder), []) === undefined, recovered);
      assert.equal(historyOf(folder).fault, undefined);
      assert.equal(eventsOf(folder).at(-1), "recover");
      await promote(folder, "three");
      assert.deepEqual(leftovers(folder), []);
    },
  );
});
