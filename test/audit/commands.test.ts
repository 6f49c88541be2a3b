/** The kleidi audit commands, run on logs that a process with the host's code wrote. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AuditLog } from "../../host/audit/log.ts";
import type { AuditSettings } from "../../host/audit/options.ts";
import type { Entry } from "../../host/audit/record.ts";
import { kleidi, root } from "../support/fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-audit-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, "audit.jsonl");
const key = join(folder, "audit.key");
let publicKey = "";

/** Replaces the test's folder and the log's numbers and times. */
const plain = (text: string) =>
  text
    .replaceAll(folder, "FOLDER")
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/\b[0-9a-f]{16}\b/g, "HEX");

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(kleidi, ["audit", ...args], { encoding: "utf8" });
}

const DENIED: Entry = {
  kind: "host_call",
  rpc: "encrypt",
  uid: "uid-7",
  provider: "vault",
  capability: "net",
  operation: "request",
  target: "https://evil.example/\u001b[2J",
  decision: "denied",
  rule: "no grant",
};

async function append(settings: AuditSettings, work: (log: AuditLog) => void): Promise<void> {
  const log = await AuditLog.open(settings);
  work(log);
  await log.settled();
  await log.close();
}

function rpcs(log: AuditLog, count: number): void {
  for (let i = 0; i < count; i++) {
    log.append({
      kind: "rpc",
      rpc: "decrypt",
      uid: `uid-${i}`,
      provider: "local",
      decision: "allowed",
      ms: 1.5,
      outcome: "ok",
    });
  }
}

const SETTINGS: AuditSettings = {
  file,
  stdout: false,
  rotate: { sizeBytes: 8_000 },
  checkpoints: { key, lines: 10, intervalMs: 60_000 },
};
const files = () =>
  readdirSync(folder)
    .filter((name) => name.startsWith("audit.jsonl"))
    .map((name) => join(folder, name));

before(async () => {
  const made = run("key", key);
  assert.equal(made.status, 0, made.stderr);
  publicKey = made.stdout.trim();
  await append(SETTINGS, (log) => {
    rpcs(log, 20);
    log.append(DENIED);
    rpcs(log, 40);
  });
});

describe("kleidi audit key", () => {
  test("creates a private key that only its owner can read, and prints the public key", () => {
    assert.equal(statSync(key).mode & 0o777, 0o600);
    assert.match(readFileSync(key, "utf8"), /^-----BEGIN PRIVATE KEY-----\n/);
    assert.match(publicKey, /^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=$/);
  });

  test("never replaces an existing file", (t) => {
    const held = readFileSync(key);
    const { status, stderr } = run("key", key);
    assert.equal(status, 1);
    t.assert.snapshot(plain(stderr));
    assert.deepEqual(readFileSync(key), held);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith(".new")),
      [],
    );
  });
});

describe("kleidi audit verify", () => {
  test("reports up to which sequence and checkpoint a log is intact", () => {
    const { status, stdout } = run("verify", "--key", publicKey, ...files());
    assert.equal(status, 0, stdout);
    assert.ok(files().length > 2);
    assert.match(stdout, /^ok {3}intact: sequences 1 to (\d+), \1 lines, last checkpoint at \1 \(/);
    assert.doesNotMatch(stdout, /not checked|not signed/);
  });

  test("says without the key that it cannot prove the origin of the log", (t) => {
    t.assert.snapshot(plain(run("verify", ...files()).stdout));
  });

  test("prints one JSON object with --json", () => {
    const { ok, intactTo, first, fault } = JSON.parse(run("verify", "--json", ...files()).stdout);
    assert.deepEqual([ok, first, fault], [true, 1, undefined]);
    assert.ok(intactTo > 60);
  });

  test("names the changed line and exits 1", (t) => {
    const [rotated = ""] = files().filter((name) => name !== file);
    const lines = readFileSync(rotated, "utf8").split("\n");
    const copy = join(folder, "changed");
    writeFileSync(copy, lines.with(4, (lines[4] ?? "").replace("allowed", "denied")).join("\n"));
    const { status, stdout } = run("verify", copy);
    assert.equal(status, 1);
    t.assert.snapshot(plain(stdout));
  });

  test("detects a truncated log only with exported checkpoints", (t) => {
    const exported = run("export", ...files());
    assert.equal(exported.status, 0);
    const checkpoints = join(folder, "checkpoints");
    writeFileSync(checkpoints, exported.stdout);
    const lines = readFileSync(file, "utf8").split("\n").slice(0, 3);
    const copy = join(folder, "cut");
    writeFileSync(copy, `${lines.join("\n")}\n`);
    const others = files().filter((name) => name !== file);
    assert.equal(run("verify", "--key", publicKey, copy, ...others).status, 0);
    const { status, stdout } = run(
      "verify",
      "--key",
      publicKey,
      "--checkpoints",
      checkpoints,
      copy,
      ...others,
    );
    assert.equal(status, 1);
    t.assert.snapshot(plain(stdout));
  });

  for (const [what, args] of [
    ["a missing file", ["/nowhere/audit.jsonl"]],
    ["a key that is a device", ["--key", "/dev/null", file]],
    ["a file that is not a key", ["--key", "/etc/hostname", file]],
    ["a file that is not exported checkpoints", ["--checkpoints", key, file]],
    ["no file", []],
  ] as const) {
    test(`exits 2 for ${what}`, (t) => {
      const { status, stderr } = run("verify", ...args);
      assert.equal(status, 2);
      t.assert.snapshot(plain(stderr));
    });
  }

  test("reports the code of a usage error in JSON", () => {
    const { status, stdout } = run("verify", "--json", "/nowhere/audit.jsonl");
    assert.equal(status, 2);
    assert.equal(JSON.parse(stdout).code, "usage");
  });

  test("exits 2 for the files of two logs", async (t) => {
    const second = join(folder, "second.jsonl");
    await append({ file: second, stdout: false }, () => {});
    const { status, stderr } = run("verify", file, second);
    assert.equal(status, 2);
    t.assert.snapshot(plain(stderr));
  });
});

describe("kleidi audit verify of an emptied log", () => {
  const empty = join(folder, "empty");
  before(() => writeFileSync(empty, ""));

  test("does not report it as intact", (t) => {
    const { status, stdout } = run("verify", empty);
    assert.equal(status, 1);
    t.assert.snapshot(stdout);
    assert.equal(JSON.parse(run("verify", "--json", empty).stdout).ok, false);
  });

  test("reports with exported checkpoints that it was cut, and in which file", (t) => {
    const checkpoints = join(folder, "checkpoints-of-emptied");
    writeFileSync(checkpoints, run("export", ...files()).stdout);
    t.assert.snapshot(plain(run("verify", "--checkpoints", checkpoints, empty).stdout));
  });
});

describe("kleidi audit query", () => {
  test("finds denied calls, and escapes text that a guest wrote", () => {
    const { status, stdout } = run("query", "--decision", "denied", ...files());
    assert.equal(status, 0);
    assert.match(
      stdout,
      /^\S+Z #\d+ host_call denied encrypt vault net request https:\/\/evil\.example\/\\u\{1b\}\[2J uid=uid-7 rule="no grant"\n$/,
    );
  });

  test("combines uid, provider, capability, rpc, kind and time", () => {
    const count = (...args: string[]) => run("query", ...args, ...files()).stdout.split("\n").length - 1;
    assert.equal(count("--uid", "uid-7"), 3);
    assert.equal(count("--uid", "uid-7", "--provider", "local"), 2);
    assert.equal(count("--capability", "net"), 1);
    assert.equal(count("--rpc", "decrypt"), 60);
    assert.equal(count("--kind", "genesis"), 1);
    assert.equal(count("--kind", "genesis", "--since", "2999"), 0);
    assert.equal(count("--kind", "genesis", "--until", "2000-01-01"), 0);
    assert.equal(count("--kind", "genesis", "--since", "2000", "--until", "2999-01-01T00:00"), 1);
  });

  test("prints the lines unchanged with --json", () => {
    const { stdout } = run("query", "--json", "--kind", "genesis", ...files());
    assert.equal(JSON.parse(stdout).kind, "genesis");
  });

  test("escapes every control character of a log that was written by hand", () => {
    const copy = join(folder, "hostile");
    const head = `{"v":1,"chain":"${"0".repeat(16)}","prev":"${"0".repeat(64)}","seq":1,"time":"2026-01-01T00:00:00.000Z","kind":"rpc"`;
    writeFileSync(copy, `${head},"uid":"\u009b2J\\u001b[2J","\\u001bx":"\u007f"}\n`);
    for (const json of [[], ["--json"]]) {
      const { stdout } = run("query", ...json, copy);
      assert.match(stdout, /^[ -~]+\n$/);
    }
  });

  test("exits 2 for an invalid time", () => {
    assert.equal(run("query", "--since", "yesterday", file).status, 2);
  });

  for (const option of ["decision", "kind", "rpc", "capability"])
    test(`exits 2 for an unknown --${option} and lists the known ones`, (t) => {
      const { status, stderr } = run("query", `--${option}`, "deny", file);
      assert.equal(status, 2);
      t.assert.snapshot(stderr);
    });
});

describe("kleidi audit tail", () => {
  test("prints the last records and follows the log over a rotation", { timeout: 20_000 }, async () => {
    const tail = spawn(kleidi, ["audit", "tail", "--lines", "2", file], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      let text = "";
      tail.stdout.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      const until = async (pattern: RegExp) => {
        while (!pattern.test(text)) await sleep(10);
      };
      await until(/\n.*\n/);
      assert.equal(text.split("\n").length, 3);
      await append(SETTINGS, (log) => {
        log.append({ kind: "start", version: "1.2.3", pid: 1 });
        log.rotate();
        log.append({ kind: "stop", reason: "SIGTERM" });
      });
      await until(/ stop reason=SIGTERM\n/);
      assert.match(
        text,
        / start version=1\.2\.3 pid=1\n(.*\n)*.* rotate reason=asked\n(.*\n)*.* stop reason=SIGTERM\n/,
      );
      // each once: the sequences are consecutive
      const sequences = [...text.matchAll(/ #(\d+) /g)].map(([, seq]) => Number(seq));
      assert.deepEqual(
        sequences,
        sequences.map((_, i) => (sequences[0] ?? 0) + i),
      );
    } finally {
      tail.kill("SIGTERM");
    }
  });
});

describe("docs/audit.md", () => {
  const text = readFileSync(join(root, "docs/audit.md"), "utf8");

  test("its commands run as written", async () => {
    const [, block = ""] = /^```sh\n(# In an empty folder.*?)^```$/ms.exec(text) ?? [];
    assert.match(block, /audit verify/);
    const place = mkdtempSync(join(folder, "docs-"));
    const [make = "", ...others] = block.split("\n").filter((line) => line.startsWith("kleidi "));
    const env = { ...process.env, PATH: `${join(root, "host")}:${process.env.PATH}` };
    const shell = (command: string) => {
      const { status, stdout, stderr } = spawnSync("bash", ["-o", "pipefail", "-c", command], {
        cwd: place,
        env,
        encoding: "utf8",
      });
      assert.equal(status, 0, `${command}\n${stdout}${stderr}`);
    };
    shell(make);
    const log = join(place, "audit.jsonl");
    await append(
      {
        file: log,
        stdout: false,
        checkpoints: { key: join(place, "audit.key"), lines: 5, intervalMs: 1_000 },
      },
      (log) => {
        rpcs(log, 20);
        log.append(DENIED);
      },
    );
    assert.ok(others.length >= 4);
    for (const command of others) shell(command);
    assert.ok(existsSync(join(place, "checkpoints.jsonl")));
  });

  test("has a row for each kind of record", async () => {
    const { RECORDS } = await import("../../host/audit/record.ts");
    for (const kind of Object.keys(RECORDS)) assert.match(text, new RegExp(`^\\| \`${kind}\` +\\|`, "m"));
  });
});

test("a torn last line is distinguished from a truncated log", (t) => {
  const copy = join(folder, "torn");
  writeFileSync(copy, readFileSync(file));
  appendFileSync(copy, '{"v":1,"chain"');
  const { status, stdout } = run("verify", copy);
  assert.equal(status, 1);
  t.assert.snapshot(plain(stdout));
});
