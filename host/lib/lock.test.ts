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

/** Starts another process that takes the lock and holds it until it exits. */
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

test("a lock excludes other callers in its own process, and can be taken again after its release", (t) => {
  const path = place(t);
  const release = takeLock(path);
  assert.throws(() => takeLock(path), {
    name: "LockFault",
    isBusy: true,
    message: "is held by this process",
  });
  // Fails at once: this process blocks while it waits, so it could not release the lock.
  assert.throws(() => takeLock(path, 3_600_000), { isBusy: true });
  release();
  release();
  takeLock(path)();
});

test("this process keeps a lock even if it reads the lock file, also through links", async (t) => {
  const path = place(t);
  const release = takeLock(path);
  const link = `${path}.link`;
  const hardLink = `${path}.hard`;
  symlinkSync(path, link);
  linkSync(path, hardLink);
  for (const each of [path, link, hardLink]) {
    const fault = readRegular(each, 100);
    assert.ok(fault instanceof FileFault);
    assert.equal(fault.kind, "special");
    t.assert.snapshot(fault.text);
    assert.ok(readSecretFile(each, 100, "given") instanceof FileFault);
    assert.throws(() => takeLock(each), LockFault);
  }
  assert.equal(await takeElsewhere(path), "is held by another process");
  release();
  assert.equal(await takeElsewhere(path), "taken");
  assert.deepEqual(readRegular(path, 100), Buffer.alloc(0));
});

/** Tries to take the lock in another process; returns "taken" or the message of the fault. */
async function takeElsewhere(path: string): Promise<string> {
  const program = `
    const { takeLock } = await import(process.argv[1]);
    try { takeLock(process.argv[2]); console.log("taken"); } catch ({ message }) { console.log(message); }`;
  const module = new URL("./lock.ts", import.meta.url).href;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, module, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  await once(child, "close");
  return output.trimEnd();
}

test("a lock file is empty, has mode 0600, and is the only file that is created", (t) => {
  const path = place(t);
  const release = takeLock(path);
  assert.deepEqual(readdirSync(join(path, "..")), ["lock"]);
  assert.equal(statSync(path).mode & 0o7777, 0o600);
  assert.equal(statSync(path).size, 0);
  release();
  assert.deepEqual(readdirSync(join(path, "..")), ["lock"]);
});

test("a lock that another process holds is busy until that process exits, also by SIGKILL", async (t) => {
  const path = place(t);
  const child = await holder(t, path);
  assert.throws(() => takeLock(path), { isBusy: true });
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  takeLock(path)();
});

test("a child process does not inherit the lock", async (t) => {
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

test("a process that waits gets the lock when the holder exits", async (t) => {
  const path = place(t);
  const child = await holder(t, path);
  // Another process kills the holder: this one is blocked while it waits.
  const ender = spawn("sh", ["-c", `sleep 0.2; kill -9 ${child.pid}`]);
  takeLock(path, 60_000)();
  await once(ender, "exit");
});

const INVALID: [what: string, create: (path: string) => void][] = [
  ["that is a symbolic link", (path) => symlinkSync("elsewhere", path)],
  ["that is a folder", (path) => mkdirSync(path)],
  [
    "of mode 0644",
    (path) => {
      writeFileSync(path, "");
      chmodSync(path, 0o644);
    },
  ],
  ["with other content", (path) => writeFileSync(path, "x".repeat(4096), { mode: 0o600 })],
  [
    "that is a database",
    (path) => {
      const database = new DatabaseSync(path);
      database.exec("CREATE TABLE x (y)");
      database.close();
      chmodSync(path, 0o600);
    },
  ],
  ["in a folder that does not exist", (path) => rmSync(join(path, ".."), { recursive: true })],
];
for (const [what, create] of INVALID)
  test(`a lock file ${what} is refused with its fault`, (t) => {
    const path = place(t);
    create(path);
    assert.throws(
      () => takeLock(path),
      (error) => {
        assert.ok(error instanceof LockFault);
        assert.equal(error.isBusy, false);
        t.assert.snapshot(error.message);
        return true;
      },
    );
  });

// Only root can create a file that belongs to another user.
if (process.getuid?.() === 0)
  test("a lock file of another user, and a folder without write permission, are refused as denied", async (t) => {
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
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    await once(child, "close");
    assert.deepEqual(output.trimEnd().split("\n"), [
      "belongs to the uid 0, this process has the uid 54321; remove it while no kleidi runs true",
      "cannot be taken (unable to open database file) true",
    ]);
  });
