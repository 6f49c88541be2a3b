import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { FileFault, readRegular } from "./files.ts";
import { LockFault, takeLock } from "./lock.ts";
import { readSecretFile } from "./secret-files.ts";

function place(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-lock-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "lock");
}

/** Another process that takes the lock, says so, and keeps it until it ends. */
async function holder(t: TestContext, path: string): Promise<ChildProcess> {
  const program = `
    const { takeLock } = await import(process.argv[1]);
    takeLock(process.argv[2]);
    process.stdout.write("held");
    process.stdin.resume();`;
  const module = new URL("./lock.ts", import.meta.url).href;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, module, path], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout as NodeJS.ReadableStream, "data");
  return child;
}

test("a lock is taken, excludes this process too, and is taken again once it is released", (t) => {
  const path = place(t);
  const release = takeLock(path);
  assert.throws(() => takeLock(path), {
    name: "LockFault",
    isBusy: true,
    message: "is held by this process",
  });
  // at once: nobody could release it meanwhile
  assert.throws(() => takeLock(path, 3_600_000), { isBusy: true });
  release();
  release();
  takeLock(path)();
});

test("a lock is not lost when this process is told to read its file, whatever leads to it", async (t) => {
  const path = place(t);
  const release = takeLock(path);
  const link = `${path}.link`;
  const hardLink = `${path}.hard`;
  symlinkSync(path, link);
  linkSync(path, hardLink);
  for (const each of [path, link, hardLink]) {
    const fault = readRegular(each, 100);
    assert.ok(fault instanceof FileFault);
    assert.equal(fault.text, "is a lock of this host; give the path of the file that is meant");
    assert.ok(readSecretFile(each, 100, "given") instanceof FileFault);
    assert.throws(() => takeLock(each), LockFault);
  }
  assert.equal(await triedElsewhere(path), "is held by another process");
  release();
  assert.equal(await triedElsewhere(path), "taken");
  assert.deepEqual(readRegular(path, 100), Buffer.alloc(0));
});

/** What another process finds that takes the lock. */
async function triedElsewhere(path: string): Promise<string> {
  const program = `
    const { takeLock } = await import(process.argv[1]);
    try { takeLock(process.argv[2]); console.log("taken"); } catch ({ message }) { console.log(message); }`;
  const module = new URL("./lock.ts", import.meta.url).href;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, module, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  await once(child, "close");
  return said.trimEnd();
}

test("its file is empty, of mode 0600, and the only one that is made", (t) => {
  const path = place(t);
  const release = takeLock(path);
  assert.deepEqual(readdirSync(join(path, "..")), ["lock"]);
  assert.equal(statSync(path).mode & 0o7777, 0o600);
  assert.equal(statSync(path).size, 0);
  release();
  assert.deepEqual(readdirSync(join(path, "..")), ["lock"]);
});

test("a lock that another process holds is busy until that process ends, by SIGKILL too", async (t) => {
  const path = place(t);
  const child = await holder(t, path);
  assert.throws(() => takeLock(path), { isBusy: true });
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  takeLock(path)();
});

test("a child of the process that holds it does not hold it", async (t) => {
  const path = place(t);
  const release = takeLock(path);
  const child = spawn(process.execPath, ["-e", "process.stdin.resume(); process.stdout.write('up')"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  release();
  takeLock(path)();
});

test("who waits gets it when the holder ends", async (t) => {
  const path = place(t);
  const child = await holder(t, path);
  // It ends by itself while this process, which waits in one call, cannot end it.
  const ender = spawn("sh", ["-c", `sleep 0.2; kill -9 ${child.pid}`]);
  takeLock(path, 60_000)();
  await once(ender, "exit");
});

const SPOILT: [what: string, spoil: (path: string) => void, message: RegExp][] = [
  ["a symbolic link", (path) => symlinkSync("elsewhere", path), /^is not a regular file; remove it$/],
  ["a folder", (path) => mkdirSync(path), /^is not a regular file; remove it$/],
  [
    "of mode 0644",
    (path) => {
      writeFileSync(path, "");
      chmodSync(path, 0o644);
    },
    /^has the mode 0644, others could hold it; remove it while no kleidi runs$/,
  ],
  [
    "with something else in it",
    (path) => writeFileSync(path, "x".repeat(4096), { mode: 0o600 }),
    /^is not empty, so it is not a lock; look who wrote it, then remove it while no kleidi runs$/,
  ],
  [
    "that is a database of somebody",
    (path) => {
      const database = new DatabaseSync(path);
      database.exec("CREATE TABLE x (y)");
      database.close();
      chmodSync(path, 0o600);
    },
    /^is not empty, so it is not a lock; /,
  ],
  [
    "in a folder that is not there",
    (path) => rmSync(join(path, ".."), { recursive: true }),
    /^cannot be taken \(unable to open database file\)$/,
  ],
];
for (const [what, spoil, message] of SPOILT)
  test(`a lock's file ${what} is refused, and told as what it is`, (t) => {
    const path = place(t);
    spoil(path);
    assert.throws(
      () => takeLock(path),
      (error) => {
        assert.ok(error instanceof LockFault);
        assert.match(error.message, message);
        assert.equal(error.isBusy, false);
        return true;
      },
    );
  });

// Only root can make a file that belongs to somebody else.
if (process.getuid?.() === 0)
  test("a lock's file of another user is refused, and what cannot be written is told as that", async (t) => {
    const path = place(t);
    writeFileSync(path, "", { mode: 0o600 });
    chmodSync(join(path, ".."), 0o755);
    const program = `
      const { takeLock } = await import(process.argv[1]);
      process.seteuid(54321);
      for (const path of process.argv.slice(2))
        try { takeLock(path); } catch ({ message, isDenied }) { console.log(message, isDenied); }`;
    const module = new URL("./lock.ts", import.meta.url).href;
    const child = spawn(
      process.execPath,
      ["--input-type=module", "-e", program, module, path, `${path}.new`],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    await once(child, "close");
    assert.deepEqual(said.trimEnd().split("\n"), [
      "belongs to the uid 0, this process has the uid 54321; remove it while no kleidi runs true",
      "cannot be taken (unable to open database file) true",
    ]);
  });
