/** End to end: the audit log of a host: its records, the absence of secrets, and no service without it. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { KmsClient } from "../../host/grpc/client.ts";
import { Fixture, localConfig, localModule, root, sha256Of } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";

const plaintext = Uint8Array.from(Buffer.from("a DEK seed that nobody may hear!"));
const UNAVAILABLE = 14;
/** In milliseconds: on a busy machine an answer after 2.8 s can be late for a caller that waits 3 s. */
const PATIENT = 10_000;
const NOT_FOUND = 5;

type Line = Record<string, unknown> & { kind: string };

function linesOf(file: string): Line[] {
  return readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** The output of verify when no line of these files has a fault and the last one is not torn. */
function assertIntact(publicKey: string | undefined, ...files: string[]): void {
  const key = publicKey === undefined ? [] : ["--key", publicKey];
  const json = execFileSync(join(root, "host/kleidi"), ["audit", "verify", "--json", ...key, ...files], {
    encoding: "utf8",
  });
  const { ok, fault, gaps, first, intactTo, lines, checkpoints } = JSON.parse(json);
  const all = files.flatMap((file) => linesOf(file));
  assert.deepEqual(
    [ok, fault, gaps, first, intactTo, lines],
    [true, undefined, [], 1, all.at(-1)?.seq, all.length],
  );
  const signed = all.filter(({ kind }) => kind === "checkpoint").length;
  assert.equal(checkpoints, signed);
  assert.equal(signed > 0, publicKey !== undefined);
}

function auditedConfig(audit: Record<string, unknown>, changes: Record<string, unknown> = {}): string {
  return localConfig([{ name: "kek", use: "active" }], { audit, status: { interval: "60s" }, ...changes });
}

describe("a host with an audit log", () => {
  const fixture = new Fixture();
  const file = join(fixture.folder, "audit.jsonl");
  const client = new KmsClient(fixture.socket);
  let publicKey: string;
  let host: ChildProcess;

  before(async () => {
    const made = fixture.run("audit", "key", join(fixture.folder, "audit.key"));
    // The command needs no configuration; it has no such option.
    assert.equal(made.status, 2);
    publicKey = execFileSync(join(root, "host/kleidi"), ["audit", "key", join(fixture.folder, "audit.key")], {
      encoding: "utf8",
    }).trim();
    fixture
      .write(auditedConfig({ file: "audit.jsonl", checkpoints: { key: "audit.key", lines: 100 } }))
      .keyInit("kek");
    host = await fixture.serve();
  });

  after(async () => {
    client.close();
    await fixture.close();
  });

  test("every RPC and each of its host calls is a line with the same uid before the response arrives", async () => {
    const sealed = await client.encrypt({ plaintext, uid: "uid-of-this-encrypt" });
    const lines = linesOf(file).filter(({ uid }) => uid === "uid-of-this-encrypt");
    const said = lines.map(({ kind, rpc, capability, operation, target, decision, rule, outcome }) => ({
      kind,
      rpc,
      capability,
      operation,
      target,
      decision,
      rule,
      outcome,
    }));
    const call = {
      kind: "host_call",
      capability: "keystore",
      target: "kek",
      decision: "allowed",
      rule: "grants.keystore",
      outcome: "ok",
    };
    assert.deepEqual(said, [
      { ...call, rpc: "encrypt", operation: "seal" },
      // The host decrypts its ciphertext to verify it.
      { ...call, rpc: "decrypt", operation: "open" },
      {
        kind: "rpc",
        rpc: "encrypt",
        capability: undefined,
        operation: undefined,
        target: undefined,
        decision: "allowed",
        rule: "keys.kek",
        outcome: "ok",
      },
    ]);
    for (const { provider, module } of lines) {
      assert.equal(provider, "local");
      assert.equal(module, sha256Of(localModule));
    }
    assert.match(String(lines.at(-1)?.key_id_sha256), /^[0-9a-f]{64}$/);
    assert.equal(lines.at(-1)?.key, "kek");
    // The plaintext and the uid of the messages, and the results.
    assert.ok(Number(lines.at(-1)?.request_bytes) > plaintext.length);
    assert.ok(Number(lines.at(-1)?.reply_bytes) > sealed.ciphertext.length);
    await client.decrypt({ ...sealed, uid: "uid-of-this-decrypt" });
    const kinds = linesOf(file)
      .filter(({ uid }) => uid === "uid-of-this-decrypt")
      .map(({ kind, rpc }) => `${kind} ${rpc}`);
    assert.deepEqual(kinds, ["host_call decrypt", "rpc decrypt"]);
  });

  test("concurrent calls keep their own uids", async () => {
    const sealed = await client.encrypt({ plaintext });
    const uids = Array.from({ length: 32 }, (_, i) => `at-once-${i}`);
    await Promise.all(uids.map((uid) => client.decrypt({ ...sealed, uid })));
    const lines = linesOf(file);
    for (const uid of uids)
      assert.deepEqual(
        lines.filter((line) => line.uid === uid).map(({ kind }) => kind),
        ["host_call", "rpc"],
      );
  });

  test("a failed call is a line with its code; a caller's hostile text is only hashed", async () => {
    await assert.rejects(
      client.decrypt({
        ciphertext: Uint8Array.of(1),
        keyId: "k1.\u001b[2J</script>",
        annotations: {},
        uid: "hostile",
      }),
      { code: NOT_FOUND, details: "Cannot decrypt: none of the 1 configured keys has this key_id" },
    );
    const [line] = linesOf(file).filter(({ uid }) => uid === "hostile");
    assert.equal(line?.outcome, "key-unknown");
    assert.equal(line?.decision, "refused");
    assert.ok(!readFileSync(file, "utf8").includes("script"));
  });

  test("each line conforms to docs/audit.schema.json, and the chain is intact and signed", async () => {
    const schema = z.fromJSONSchema(JSON.parse(readFileSync(join(root, "docs/audit.schema.json"), "utf8")));
    for (const line of linesOf(file)) schema.parse(line);
    assertIntact(publicKey, file);
  });

  test("contains no plaintext, ciphertext or key_id", async () => {
    const sealed = await client.encrypt({ plaintext, uid: "secret-search" });
    await client.decrypt(sealed);
    const text = readFileSync(file, "latin1");
    for (const bytes of [plaintext, sealed.ciphertext]) {
      const buffer = Buffer.from(bytes);
      for (const coding of ["latin1", "hex", "base64"] as const)
        assert.ok(!text.includes(buffer.toString(coding)));
    }
    assert.ok(!text.includes(sealed.keyId));
  });

  test("the end of a provider's process and the start of its replacement are lines", async () => {
    const events = () =>
      linesOf(file).flatMap(({ kind, event, provider, reason }) =>
        kind === "provider" ? `${provider} ${event} ${reason ?? ""}`.trimEnd() : [],
      );
    await untilWell(async () => assert.deepEqual(events(), ["local started", "local started"]));
    const [child] = readFileSync(`/proc/${host.pid}/task/${host.pid}/children`, "utf8").split(" ");
    process.kill(Number(child), "SIGKILL");
    await untilWell(async () => {
      // The line is written no later than the RPC's.
      await client.status();
      assert.deepEqual(events().slice(2), ["local ended SIGKILL", "local started"]);
    });
  });

  test("kleidi check reports its file and its signing key", () => {
    const { stdout } = fixture.run("check");
    assert.match(
      stdout,
      /^ok {3}audit: written to .*audit\.jsonl, signed with key [0-9a-f]{16} at least every 60 s$/m,
    );
  });

  test("SIGUSR2 starts a new file, and both files are one chain", async () => {
    host.kill("SIGUSR2");
    await untilWell(async () => assert.ok(linesOf(file)[0]?.kind === "rotate"));
    const older = readdirSync(fixture.folder).filter((name) => name.startsWith("audit.jsonl."));
    assert.equal(older.length, 1);
    assertIntact(publicKey, ...older.map((name) => join(fixture.folder, name)), file);
  });

  test("SIGUSR2 does not end a host that is still starting", async () => {
    const starting = new Fixture();
    const ready = new KmsClient(starting.socket);
    try {
      starting.write(auditedConfig({ file: "audit.jsonl" })).keyInit("kek");
      const early = starting.spawn();
      const log = join(starting.folder, "audit.jsonl");
      while (!existsSync(log) || !readFileSync(log, "utf8").includes('"kind":"start"')) await sleep(1);
      early.kill("SIGUSR2");
      await untilWell(() => ready.status());
      assert.equal(await Fixture.stop(early), 0);
    } finally {
      ready.close();
      await starting.close();
    }
  });

  test("a second host on the same file is refused", (t) => {
    const { status, stderr } = fixture.run("serve");
    assert.equal(status, 1);
    t.assert.snapshot(plain(stderr, fixture));
  });
});

/** The first line, without the test's folder and the sequences, which depend on the number of probes. */
const plain = (text: string, { folder }: Fixture) =>
  (text.split("\n", 1)[0] ?? "").replaceAll(folder, "FOLDER").replace(/sequence \d+/, "sequence N");

describe("no audit, no service", () => {
  test("while the disk of the log is full, calls are refused with a remedy; they are served again when there is room", async () => {
    const fixture = new Fixture();
    const disk = join(fixture.folder, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=0700", "none", disk]);
    const client = new KmsClient(fixture.socket);
    try {
      fixture.write(auditedConfig({ file: "disk/audit.jsonl" })).keyInit("kek");
      await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      let refused: { code?: number; details?: string } | undefined;
      for (let i = 0; i < 2_000 && refused === undefined; i++)
        await client.decrypt(sealed, PATIENT).catch((error) => {
          refused = error;
        });
      assert.equal(refused?.code, UNAVAILABLE);
      assert.match(refused?.details ?? "", /^Cannot audit: .*ENOSPC/);
      await assert.rejects(client.status(PATIENT), { code: UNAVAILABLE, details: /^Cannot audit: .*ENOSPC/ });
      const vainly = client.decrypt({ ...sealed, uid: "asked-in-vain" }, PATIENT);
      await assert.rejects(vainly, { code: UNAVAILABLE });
      execFileSync("mount", ["-o", "remount,size=1m", disk]);
      await untilWell(() => client.status());
      await untilWell(() => client.decrypt(sealed));
      const lines = linesOf(join(disk, "audit.jsonl"));
      const vain = lines.filter(({ uid }) => uid === "asked-in-vain");
      const kinds = vain.map(({ kind, outcome }) => `${kind} ${outcome}`);
      assert.equal(kinds.at(-1), "rpc backend-unreachable");
      // The host call is tried again until the deadline of the RPC, and each try is recorded.
      assert.deepEqual(
        new Set(kinds.slice(0, -1)),
        new Set(["host_call fault"]),
        "the refused call is recorded once there is room; the probes that it caused are not part of it",
      );
      assertIntact(undefined, join(disk, "audit.jsonl"));
    } finally {
      client.close();
      await fixture.close().catch(() => {});
      execFileSync("umount", ["-l", disk]);
      rmSync(fixture.folder, { recursive: true, force: true });
    }
  });

  test("a reader of stdout that stops for a second delays calls, and none fails", async () => {
    const fixture = new Fixture({ keepOutput: true });
    const client = new KmsClient(fixture.socket);
    try {
      fixture.write(auditedConfig({ stdout: true })).keyInit("kek");
      const host = await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      host.stdout?.pause();
      for (let isHeld = false; !isHeld; ) {
        const calls = Promise.all(Array.from({ length: 16 }, () => client.decrypt(sealed)));
        isHeld = await Promise.race([calls.then(() => false), sleep(1_000, true)]);
        if (isHeld) host.stdout?.resume();
        await calls;
      }
      assert.equal(await Fixture.stop(host), 0);
    } finally {
      client.close();
      await fixture.close();
    }
  });

  test("without a reader of stdout, calls are refused, and the host still ends and reports how many records are lost", async () => {
    const fixture = new Fixture({ keepOutput: true });
    const client = new KmsClient(fixture.socket);
    try {
      fixture.write(auditedConfig({ stdout: true })).keyInit("kek");
      const host = await fixture.serve();
      const sealed = await client.encrypt({ plaintext });
      host.stdout?.pause();
      let refused: { details?: string } | undefined;
      while (refused === undefined)
        await Promise.all(Array.from({ length: 16 }, () => client.decrypt(sealed))).catch((error) => {
          refused = error;
        });
      assert.match(
        refused.details ?? "",
        /^Cannot audit: the record was not written within 2800 ms of the request/,
      );
      assert.equal(await Fixture.stop(host), 0);
      assert.match(
        fixture.readLog(),
        /"lines":\d+,"msg":"the last records of the audit log could not be written"/,
      );
      assert.match(
        fixture.readLog(),
        /"sinks":\["stdout"\],"msg":"a sink of the audit log did not end: its last lines may be missing"/,
      );
    } finally {
      client.close();
      await fixture.close();
    }
  });

  test("a host does not start on a log that was edited while none ran, and names the command that finds the edit", async (t) => {
    const fixture = new Fixture();
    try {
      fixture.write(auditedConfig({ file: "audit.jsonl" })).keyInit("kek");
      const host = await fixture.serve();
      await Fixture.stop(host);
      const file = join(fixture.folder, "audit.jsonl");
      // The last line but one: no line follows the last one, so a change of it would not show.
      const lines = readFileSync(file, "utf8").split("\n");
      lines[lines.length - 3] = String(lines.at(-3)).replace(/"kind":"\w+"/, '"kind":"stop"');
      writeFileSync(file, lines.join("\n"));
      const { status, stderr } = fixture.run("serve");
      assert.equal(status, 1);
      t.assert.snapshot(plain(stderr, fixture));
    } finally {
      await fixture.close();
    }
  });

  test("a host that cannot bind its socket records its end with the reason", async () => {
    const fixture = new Fixture();
    try {
      const changes = { listen: { socket: "/nowhere/kms.sock" } };
      fixture.write(auditedConfig({ file: "audit.jsonl" }, changes)).keyInit("kek");
      assert.equal(fixture.run("serve").status, 1);
      const last = linesOf(join(fixture.folder, "audit.jsonl")).at(-1);
      assert.deepEqual([last?.kind, last?.reason], ["stop", "it could not be started"]);
      assert.match(fixture.readLog(), /Cannot listen/);
    } finally {
      await fixture.close();
    }
  });

  test("a folder that others can write to is refused", async (t) => {
    const fixture = new Fixture();
    try {
      mkdirSync(join(fixture.folder, "open"));
      chmodSync(join(fixture.folder, "open"), 0o777);
      fixture.write(auditedConfig({ file: "open/audit.jsonl" })).keyInit("kek");
      const { status, stderr } = fixture.run("serve");
      assert.equal(status, 1);
      t.assert.snapshot(plain(stderr, fixture));
    } finally {
      await fixture.close();
    }
  });

  test("a host that was killed while it served continues the same chain", async () => {
    const fixture = new Fixture();
    const client = new KmsClient(fixture.socket);
    try {
      fixture.write(auditedConfig({ file: "audit.jsonl" })).keyInit("kek");
      for (let i = 0; i < 3; i++) {
        const host = await fixture.serve();
        const sealed = await client.encrypt({ plaintext });
        const calls = Array.from({ length: 64 }, () => client.decrypt(sealed).catch(() => {}));
        await sleep(5 + 10 * i);
        await Fixture.stop(host, "SIGKILL");
        await Promise.all(calls);
      }
      const file = join(fixture.folder, "audit.jsonl");
      assertIntact(undefined, file);
      assert.equal(linesOf(file).filter(({ kind }) => kind === "start").length, 3);
    } finally {
      client.close();
      await fixture.close();
    }
  });
});
