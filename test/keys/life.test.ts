/** The life of a key on one node: the commands, a running host, and what both leave on the disk. */
import assert from "node:assert/strict";
import { type ChildProcess, spawnSync } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { loadConfig } from "../../host/config/load.ts";
import { KmsClient } from "../../host/grpc/client.ts";
import { parseLines } from "../../host/keys/record.ts";
import { Fixture, kleidi, localModule, sha256Of } from "../support/fixture.ts";
import { ageHistory } from "../support/history.ts";

const isRoot = process.getuid?.() === 0;
/** Without an entry in /etc/passwd, as in a container. */
const UID = 61_234;
const DAY = 86_400_000;
const plaintext = new Uint8Array(32).fill(0x5a);

const configuration = `# One node.
apiVersion: kleidi.dev/v1
listen:   { socket: kms.sock }
keystore: { directory: keys }
admin:    { listen: "unix:admin.sock" }
status:   { interval: 1s } # probes
log:      { file: kleidi.log }
providers:
  local:
    module: ${localModule}
    sha256: ${sha256Of(localModule)} # as published
    grants:
      keystore: { keys: [kek-2025] } # the key, and no other
keys:
  # the first key
  - { name: kek-2025, provider: local, use: active } # since 2025
`;

/** A command with --json. */
function command(fixture: Fixture, ...words: string[]) {
  const { status, stdout, stderr } = fixture.run("key", ...words, "--json");
  assert.notEqual(stdout, "", stderr);
  return { status, ...JSON.parse(stdout) };
}

/** Texts of a run without what differs between two runs. */
function plain(fixture: Fixture, value: unknown): unknown {
  const text = JSON.stringify(value)
    .replaceAll(fixture.folder, "FOLDER")
    .replaceAll(/20\d\d-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replaceAll(/Node [\w.-]+/g, "Node NODE")
    .replaceAll(/\b[0-9a-f]{32}\b/g, "VERSION");
  return JSON.parse(text);
}

function records(fixture: Fixture) {
  const { lines, fault } = parseLines(readFileSync(join(fixture.folder, "kleidi.history.jsonl"), "utf8"));
  assert.equal(fault, undefined);
  return lines.map(({ record }) => record);
}

function age(fixture: Fixture): void {
  const marks = [fixture.folder, join(fixture.folder, "keys")];
  ageHistory(
    join(fixture.folder, "kleidi.history.jsonl"),
    marks.map((folder) => join(folder, "kleidi.history.mark")),
    DAY,
  );
}

describe("a key is rotated while the host serves", () => {
  const fixture = new Fixture();
  let host: ChildProcess;
  let old: Awaited<ReturnType<KmsClient["encrypt"]>>;

  before(async () => {
    fixture.write(configuration).keyInit("kek-2025");
    host = await fixture.serve();
    old = await withClient((client) => client.encrypt({ plaintext }));
  });
  after(() => fixture.close());

  async function withClient<T>(use: (client: KmsClient) => Promise<T>): Promise<T> {
    const client = new KmsClient(fixture.socket);
    try {
      return await use(client);
    } finally {
      client.close();
    }
  }

  async function restart(): Promise<void> {
    assert.equal(await Fixture.stop(host), 0);
    host = await fixture.serve();
    // Decrypt-only keys are probed beside the active one.
    await untilReady();
  }

  async function untilReady(): Promise<void> {
    const isReady = () =>
      command(fixture, "list").keys.every((key: { host?: string }) => key.host === "ready");
    for (const end = Date.now() + 60_000; !isReady(); ) assert.ok(Date.now() < end, "no key is ready");
  }

  test("a dry run shows the change, and writes nothing", (t: TestContext) => {
    const dry = command(fixture, "rotate", "--as", "kek-2026", "--dry-run");
    t.assert.snapshot(
      plain(fixture, { ...dry, diff: dry.diff.filter((line: string) => !/sha256/.test(line)) }),
    );
    assert.equal(fixture.readConfig(), configuration);
    assert.deepEqual(readdirSync(join(fixture.folder, "keys")).sort(), [
      ".kleidi.lock",
      "kek-2025.json",
      "kek-2025.key",
    ]);
    assert.equal(existsSync(join(fixture.folder, "kleidi.history.jsonl")), false);
  });

  test("rotate creates the key and adds it, and the rest of the file stays as it is", () => {
    const { changed, how, version, promotableAt } = command(fixture, "rotate", "--as", "kek-2026");
    assert.deepEqual([changed, how], [true, "created"]);
    assert.match(version, /^[0-9a-f]{32}$/);
    assert.ok(Date.parse(promotableAt) > Date.now());
    const expected = configuration
      .replace("[kek-2025]", "[kek-2025, kek-2026]")
      .concat("  - { name: kek-2026, provider: local, use: decrypt }\n");
    assert.equal(fixture.readConfig(), expected);
  });

  test("rotate again changes nothing, and proposes no further key while one is staged", () => {
    const before = fixture.readConfig();
    assert.deepEqual(
      [command(fixture, "rotate").key, command(fixture, "rotate").changed],
      ["kek-2026", false],
    );
    const another = command(fixture, "rotate", "--as", "kek-2027");
    assert.deepEqual([another.status, another.code], [1, "key-change-refused"]);
    assert.equal(fixture.readConfig(), before);
  });

  test("promote refuses a key that the running host does not have yet", (t: TestContext) => {
    age(fixture);
    const { status, code, message } = command(fixture, "promote", "kek-2026");
    assert.deepEqual([status, code], [1, "key-change-refused"]);
    t.assert.snapshot(plain(fixture, message));
  });

  test("promote swaps the two uses, and the host encrypts with the new key after a restart", async () => {
    await restart();
    const { changed, waitMs, diff } = command(fixture, "promote", "kek-2026");
    // Poll, expiry, three probes of 1 s, margin.
    assert.deepEqual([changed, waitMs], [true, 543_000]);
    assert.equal(diff.filter((line: string) => /^[-+] /.test(line)).length, 4);
    await restart();
    const now = await withClient((client) => client.encrypt({ plaintext }));
    assert.notEqual(now.keyId, old.keyId);
    const { plaintext: read } = await withClient((client) => client.decrypt(old));
    assert.deepEqual(new Uint8Array(read), plaintext);
  });

  test("list shows the past of each key and its next step", (t: TestContext) => {
    const { keys } = command(fixture, "list");
    const seen = keys.map((key: Record<string, unknown>) => ({
      ...key,
      keyIdHash: String(key.keyIdHash).slice(0, 7),
      detail: undefined,
    }));
    t.assert.snapshot(plain(fixture, seen));
  });

  test("the former key is not promoted again, and not retired without waits and proof", (t: TestContext) => {
    const text = fixture.readConfig();
    t.assert.snapshot(
      ["promote", "retire"].map((word) => {
        const { status, code, message } = command(fixture, word, "kek-2025");
        return plain(fixture, [status, code, message]);
      }),
    );
    const { status, code } = command(fixture, "retire", "kek-2026");
    assert.deepEqual([status, code], [1, "key-change-refused"]);
    assert.equal(fixture.readConfig(), text);
    // The running host was seen to encrypt with the new key.
    assert.equal(records(fixture).at(-1)?.event, "serve");
  });

  test("retire with --force says loudly what it overrides, records it, and keeps the key's file", (t: TestContext) => {
    const { stdout, status } = fixture.run("key", "retire", "kek-2025", "--force");
    assert.equal(status, 0);
    t.assert.snapshot(String(plain(fixture, stdout)).split("\n"));
    const change = records(fixture).at(-2);
    assert.ok(change?.event === "retire");
    assert.equal(change.forced?.length, 2);
    assert.equal(change.proof, undefined);
    assert.match(change.key_id_hash ?? "", /^sha256:[0-9a-f]{64}$/);
    assert.equal(command(fixture, "retire", "kek-2025").changed, false);
    assert.ok(existsSync(join(fixture.folder, "keys", "kek-2025.key")));
    assert.equal(
      fixture.readConfig(),
      configuration
        .replace("[kek-2025]", "[kek-2026]")
        .replace(/ {2}- \{ name: kek-2025.*\n/, "")
        .concat("  - { name: kek-2026, provider: local, use: active }\n"),
    );
  });

  test("a retired name is not used again", () => {
    const { status, code } = command(fixture, "rotate", "--as", "kek-2025");
    assert.deepEqual([status, code], [2, "usage"]);
  });

  test("a staged key that was never active is retired without a proof, with its file on request", () => {
    command(fixture, "rotate", "--as", "kek-2027");
    const { changed, proof, removed } = command(fixture, "retire", "kek-2027", "--remove-files");
    assert.deepEqual([changed, proof], [true, "it was never active"]);
    assert.equal(removed, join(fixture.folder, "keys", "kek-2027.key"));
    assert.equal(existsSync(removed), false);
    assert.ok(existsSync(join(fixture.folder, "keys", "kek-2027.json")));
  });

  test("check fails while the configuration returns to a former key", () => {
    const text = fixture.readConfig();
    fixture.write(text.replaceAll("kek-2026", "kek-2025"));
    const { status, stdout } = fixture.run("check");
    assert.equal(status, 1);
    assert.match(stdout, /^FAIL history: key "kek-2025" is active again after another key was/m);
    fixture.write(text);
    assert.doesNotMatch(fixture.run("check").stdout, /history/);
  });
});

describe("the second node", () => {
  test("stages the files that were copied from the first one, and says so", async (t) => {
    const [first, second] = [new Fixture(), new Fixture()];
    t.after(() => Promise.all([first.close(), second.close()]));
    first.write(configuration).keyInit("kek-2025");
    second.write(configuration);
    assert.equal(command(first, "rotate", "--as", "kek-2026").how, "created");
    for (const name of readdirSync(join(first.folder, "keys")).filter((each) => each.startsWith("kek")))
      copyFileSync(join(first.folder, "keys", name), join(second.folder, "keys", name));
    const { stdout, status, stderr } = second.run("key", "rotate", "--as", "kek-2026");
    assert.equal(status, 0, stderr);
    assert.match(stdout, /it was found, version [0-9a-f]{32}\..*\nWarning: its files were there before\./);
    assert.equal(second.readConfig(), first.readConfig());
    const staged = records(second).at(-2);
    assert.ok(staged?.event === "stage" && staged.found === true);
  });

  test("does not take a file that happens to have the proposed name", async (t) => {
    const fixture = new Fixture();
    t.after(() => fixture.close());
    fixture.write(configuration.replaceAll("kek-2025", "main")).keyInit("main");
    for (const extension of ["key", "json"])
      copyFileSync(
        join(fixture.folder, "keys", `main.${extension}`),
        join(fixture.folder, "keys", `main-2.${extension}`),
      );
    assert.equal(command(fixture, "rotate").key, "main-3");
  });
});

test("a pinned key has a pinned successor", async (t) => {
  const fixture = new Fixture();
  t.after(() => fixture.close());
  fixture.write(configuration).keyInit("kek-2025");
  const [{ version }] = command(fixture, "list").keys;
  fixture.write(configuration.replace("use: active }", `use: active, version: "${version}" }`));
  const made = command(fixture, "rotate", "--as", "kek-2026");
  assert.equal(loadConfig(fixture.config).keys[1]?.version, made.version);
});

test("a key whose creation fails leaves the configuration as it was", async (t) => {
  const fixture = new Fixture();
  t.after(() => fixture.close());
  fixture.write(configuration).keyInit("kek-2025");
  copyFileSync(join(fixture.folder, "keys", "kek-2025.json"), join(fixture.folder, "keys", "kek-2026.json"));
  const { status, code } = command(fixture, "rotate", "--as", "kek-2026");
  assert.deepEqual([status, code], [1, "key-missing"]);
  assert.equal(fixture.readConfig(), configuration);
  assert.deepEqual(
    readdirSync(fixture.folder).filter((name) => name.startsWith(".kleidi.yaml")),
    [],
  );
});

const AS_OTHERS = isRoot ? {} : { skip: "only root can run a command as somebody else" };
test("a user who is not the owner of the configuration changes nothing", AS_OTHERS, async (t) => {
  const fixture = new Fixture();
  t.after(() => fixture.close());
  fixture.write(configuration).keyInit("kek-2025");
  chmodSync(fixture.folder, 0o777);
  chmodSync(fixture.config, 0o644);
  const words = ["key", "rotate", "--json", "--config", fixture.config];
  const as = ["--reuid", `${UID}`, "--regid", `${UID}`, "--clear-groups", kleidi];
  const { stdout, status } = spawnSync("setpriv", [...as, ...words], { encoding: "utf8" });
  assert.deepEqual([status, JSON.parse(stdout).code], [1, "key-change-refused"]);
  assert.equal(existsSync(join(fixture.folder, "kleidi.history.jsonl")), false);
});

test("as root, the key belongs to the service's user, and the configuration keeps its owner and mode", async (t) => {
  const fixture = new Fixture();
  t.after(() => fixture.close());
  fixture.write(configuration).keyInit("kek-2025");
  chmodSync(fixture.folder, 0o755);
  chmodSync(fixture.config, 0o640);
  const uid = isRoot ? UID : (process.getuid?.() ?? 0);
  if (isRoot) {
    chownSync(fixture.config, 0, UID);
    for (const name of ["", "kek-2025.key", "kek-2025.json", ".kleidi.lock"])
      chownSync(join(fixture.folder, "keys", name), UID, UID);
  }
  const before = statSync(fixture.config);
  assert.equal(command(fixture, "rotate", "--as", "kek-2026").status, 0);
  const now = statSync(fixture.config);
  assert.deepEqual([now.uid, now.gid, now.mode], [before.uid, before.gid, before.mode]);
  for (const name of ["kek-2026.key", "kek-2026.json", "kleidi.history.mark"])
    assert.equal(statSync(join(fixture.folder, "keys", name)).uid, uid, name);
  assert.equal(statSync(join(fixture.folder, "kleidi.history.jsonl")).mode & 0o777, 0o640);
});
