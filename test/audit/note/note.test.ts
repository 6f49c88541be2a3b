/** Signed notes over a log that the host's code wrote: made by the commands, and checked with Go's packages for such notes. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Chain } from "../../../host/audit/chain.ts";
import { AuditLog } from "../../../host/audit/log.ts";
import type { AuditSettings } from "../../../host/audit/options.ts";
import { kleidi } from "../../support/fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-note-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "audit.jsonl");
const key = join(folder, "audit.key");
const noteFile = join(folder, "first.note");
const origin = "example.com/kleidi/node-1";
const sign = ["--origin", origin, "--sign", key];
let publicKey: string;
let notecheck: string;
let vkey: string;

function audit(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(kleidi, ["audit", ...args], { encoding: "utf8" });
}

const files = () =>
  readdirSync(folder)
    .filter((name) => name.startsWith("audit.jsonl"))
    .sort((a, b) => (a === "audit.jsonl" ? 1 : b === "audit.jsonl" ? -1 : a < b ? -1 : 1))
    .map((name) => join(folder, name));

async function write(lines: number, changes: Partial<AuditSettings> = {}): Promise<void> {
  const checkpoints = { key, lines: 10, intervalMs: 60_000 };
  const log = await AuditLog.open({
    file,
    stdout: false,
    rotate: { sizeBytes: 8_000 },
    checkpoints,
    ...changes,
  });
  for (let i = 0; i < lines; i++)
    log.append({ kind: "rpc", rpc: "decrypt", uid: `uid-${i}`, decision: "allowed", ms: 1.5, outcome: "ok" });
  await log.settled();
  await log.close();
}

function goOpens(...args: string[]): string {
  return execFileSync(notecheck, args, { encoding: "utf8" });
}

before(async () => {
  notecheck = execFileSync("bash", [join(import.meta.dirname, "build.sh")], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
  publicKey = audit("key", key).stdout.trim();
  await write(61);
  const made = audit("export", "--format", "c2sp", ...sign, ...files());
  assert.equal(made.status, 0, made.stderr);
  const [, size, known = ""] =
    /^Signed the first (\d+) lines\. The verifier key is (\S+)\n$/.exec(made.stderr) ?? [];
  assert.equal(made.stdout.split("\n")[1], size);
  vkey = known;
  writeFileSync(noteFile, made.stdout);
});

describe("a log exported as a signed note", () => {
  test("is opened by Go's packages, which compute the same root", () => {
    const text = goOpens("open", vkey, noteFile, ...files());
    assert.equal(text.split("\n")[0], origin);
    const [changed = "", ...others] = files();
    const copy = join(folder, "copy");
    writeFileSync(copy, readFileSync(changed, "latin1").replace("uid-3", "uid-4"));
    assert.throws(
      () => goOpens("open", vkey, noteFile, copy, ...others),
      /the root of the first \d+ lines is/,
    );
  });

  test("is what verify compares the log with", () => {
    const { status, stdout } = audit("verify", "--key", publicKey, "--note", noteFile, ...files());
    assert.equal(status, 0, stdout);
    assert.doesNotMatch(stdout, /cut off at the end/);
  });

  test("reveals that the end was cut off", () => {
    const others = files().filter((path) => path !== file);
    const { status, stdout } = audit("verify", "--key", publicKey, "--note", noteFile, ...others);
    assert.equal(status, 1);
    assert.match(
      stdout,
      /^FAIL cut: .*\.\d{12}-\d{12}:\d+: after it, the lines up to the \d+ of a signed note are missing: the end was cut off\n/,
    );
  });

  test("reveals that the log was rewritten, even with the key", async () => {
    const again = join(folder, "again.jsonl");
    await write(100, { file: again, rotate: { sizeBytes: 1_000_000 } });
    const { status, stdout } = audit("verify", "--key", publicKey, "--note", noteFile, again);
    assert.equal(status, 1);
    const size = readFileSync(noteFile, "utf8").split("\n")[1];
    assert.match(
      stdout,
      new RegExp(
        `^FAIL rewritten: .*again\\.jsonl:${size}: the lines up to it do not match the signed note over ${size} lines\\n`,
      ),
    );
  });

  test("is followed by the next note, with the proof that a witness requires", async () => {
    const first = audit("export", "--format", "c2sp-witness", ...sign, ...files());
    assert.equal(first.stdout, `old 0\n\n${readFileSync(noteFile, "utf8")}`);
    for (const lines of [1, 7, 64, 130]) {
      await write(lines);
      const { status, stdout, stderr } = audit(
        "export",
        "--format",
        "c2sp-witness",
        "--after",
        noteFile,
        ...sign,
        ...files(),
      );
      assert.equal(status, 0, stderr);
      const request = join(folder, "request");
      writeFileSync(request, stdout);
      const next = stdout.slice(stdout.indexOf("\n\n") + 2);
      assert.equal(goOpens("witness", vkey, noteFile, request), next.slice(0, next.indexOf("\n\n") + 1));
      const nextFile = join(folder, "next.note");
      writeFileSync(nextFile, next);
      assert.equal(
        audit("verify", "--key", publicKey, "--note", nextFile, "--note", noteFile, ...files()).status,
        0,
      );
      // a proof of other hashes proves nothing
      writeFileSync(request, stdout.replace(/^[A-Za-z0-9+/]{43}=$/m, `${"A".repeat(43)}=`));
      assert.throws(() => goOpens("witness", vkey, noteFile, request));
    }
  });

  test("can be signed with a key other than the log's", () => {
    const own = join(folder, "note.key");
    const notePublic = audit("key", own).stdout.trim();
    const made = audit(
      "export",
      "--format",
      "c2sp",
      "--origin",
      origin,
      "--sign",
      own,
      "--key",
      publicKey,
      ...files(),
    );
    assert.equal(made.status, 0, made.stderr);
    const other = join(folder, "other.note");
    writeFileSync(other, made.stdout);
    const hold = (...keys: string[]) => audit("verify", ...keys, "--note", other, ...files());
    assert.equal(hold("--key", publicKey, "--note-key", notePublic).status, 0);
    assert.equal(hold("--key", publicKey).status, 2);
    assert.match(
      hold("--key", publicKey).stderr,
      /^error: Cannot use the note .*: no given key signed it in the name of its origin\n$/,
    );
    assert.match(hold().stderr, /^error: Cannot use --note without the key that signed it/);
  });
});

describe("refuses to sign a note over", () => {
  const lines = () => files().flatMap((path) => readFileSync(path, "utf8").trimEnd().split("\n"));
  const written = (name: string, text: readonly string[]) => {
    const path = join(folder, name);
    writeFileSync(path, `${text.join("\n")}\n`);
    return path;
  };
  const refused = (path: string, ...more: string[]) => {
    const { status, stdout, stderr } = audit("export", "--format", "c2sp", ...sign, ...more, path);
    assert.equal(stdout, "");
    return `${status} ${stderr.trimEnd()}`;
  };

  test("a log that verify rejects", () => {
    const path = written("bad", lines().with(4, (lines()[4] ?? "").replace("allowed", "denied")));
    assert.match(
      refused(path),
      /^1 Cannot sign the log: changed: .*\/bad:5: the next line contains a different hash of it$/,
    );
  });

  test("a log whose older files are missing", () => {
    const [, second = ""] = files();
    assert.match(
      refused(second),
      /^1 Cannot sign the log: a note covers all lines from sequence 1, and the given files lack some of them$/m,
    );
    const { status, stderr } = audit("verify", "--key", publicKey, "--note", noteFile, second);
    assert.equal(status, 2);
    assert.match(
      stderr,
      /^error: Cannot compare the log with 1 of the notes: a note covers all lines from sequence 1, and the given files lack/,
    );
  });

  test("a log without a checkpoint", () => {
    assert.equal(
      refused(written("short", lines().slice(0, 3))),
      "1 Cannot sign the log: it has no checkpoint yet",
    );
  });

  test("a log that does not continue from the previous note", () => {
    const own = lines().map((line) => JSON.parse(line));
    const { chain, prev } = own[0];
    const other = new Chain({ chain, seq: 0, hash: prev });
    const again = own.slice(0, 5).map((record) => other.next({ ...record, ms: 9 }, record.time).text);
    assert.match(
      refused(written("rewritten", again), "--after", noteFile),
      /^1 Cannot sign the log: (cut|rewritten): /,
    );
    assert.match(
      audit(
        "export",
        "--format",
        "c2sp",
        "--origin",
        "example.com/x",
        "--sign",
        key,
        "--after",
        noteFile,
        ...files(),
      ).stderr,
      /^error: Cannot continue from the note .*: its origin is example\.com\/kleidi\/node-1, not example\.com\/x\n$/,
    );
  });

  for (const [what, args, why] of [
    [
      "an unknown format",
      ["--format", "pem"],
      "error: Cannot use --format pem: expected one of lines, c2sp, c2sp-witness",
    ],
    ["no origin", ["--format", "c2sp", "--sign", key], "error: Cannot use --format c2sp: give --origin"],
    ["no key", ["--format", "c2sp", "--origin", origin], "error: Cannot use --format c2sp: give --origin"],
    [
      "an origin with a space",
      ["--format", "c2sp", "--sign", key, "--origin", "a b"],
      "error: Cannot use --format c2sp: give --origin",
    ],
  ] as const)
    test(`exits 2 for ${what}`, () => {
      const { status, stderr } = audit("export", ...args, file);
      assert.equal(status, 2);
      assert.ok(stderr.startsWith(why), stderr);
    });
});
