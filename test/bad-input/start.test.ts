/** Faults that keep the host from starting, and ways to stop it: through the command line, one fault at a time. */
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import { buildGuests } from "../guests/build.ts";
import { Fixture, localConfig, localModule, sha256Of } from "../support/fixture.ts";

const KEY = [{ name: "kek", use: "active" }] as const;
let fixture: Fixture;
let keyFile: string;

beforeEach(() => {
  fixture = new Fixture();
  keyFile = join(fixture.folder, "keys", "kek.key");
  fixture.write(localConfig(KEY)).keyInit("kek");
});
afterEach(() => fixture.close());

/** Asserts that "serve" and "check" both refuse with this message and exit code 1. */
function assertRefused(sentence: RegExp): void {
  const serve = fixture.run("serve");
  assert.match(serve.stderr, sentence);
  assert.equal(serve.status, 1);
}

function assertBothRefuse(sentence: RegExp): void {
  assertRefused(sentence);
  const check = fixture.run("check", "--json");
  assert.equal(check.status, 1);
  const { ok, findings, message } = JSON.parse(check.stdout);
  assert.equal(ok, false);
  assert.match(message ?? JSON.stringify(findings).replaceAll('\\"', '"'), sentence);
}

function provider(module: string): Record<string, unknown> {
  return {
    providers: { local: { module, sha256: sha256Of(module), grants: { keystore: { keys: ["kek"] } } } },
  };
}

describe("configuration", () => {
  const cases: [what: string, config: () => string, sentence: RegExp][] = [
    ["bad YAML", () => "apiVersion: [", /kleidi\.yaml:1/],
    ["an unknown key", () => localConfig(KEY, { listne: {} }), /listne/],
    ["a wrong type", () => localConfig(KEY, { status: { interval: true } }), /interval/],
    ["two active keys", () => localConfig([...KEY, { name: "kek-2", use: "active" }]), /active/],
    ["no active key", () => localConfig([{ name: "kek", use: "decrypt" }]), /active/],
    [
      "a provider without module",
      () =>
        localConfig(KEY, {
          providers: { local: { sha256: "0".repeat(64), grants: { keystore: { keys: ["kek"] } } } },
        }),
      /module/,
    ],
  ];
  for (const [what, config, sentence] of cases) {
    test(`${what} is refused`, () => {
      fixture.write(config());
      assertBothRefuse(sentence);
    });
  }

  test("a missing file is refused", () => {
    unlinkSync(fixture.config);
    assertBothRefuse(/kleidi\.yaml/);
  });
});

describe("a module", () => {
  test("with another digest is refused", () => {
    const changed = localConfig(KEY).replace(sha256Of(localModule), "0".repeat(64));
    fixture.write(changed);
    assertBothRefuse(/the sha256 of .* is [0-9a-f]{64}, the configuration pins 0{64}/);
  });

  test("that is not WebAssembly is refused", () => {
    const text = join(fixture.folder, "text.wasm");
    writeFileSync(text, "this is text");
    fixture.write(localConfig(KEY, provider(text)));
    assertBothRefuse(
      /cannot be read as WebAssembly: it does not start with the header of a WebAssembly core module/,
    );
  });

  test("whose file is missing is refused", () => {
    const config = localConfig(KEY).replace(localModule, "nowhere.wasm");
    fixture.write(config);
    assertBothRefuse(/nowhere\.wasm cannot be read \(ENOENT\)/);
  });

  test("whose code cannot be compiled is refused", () => {
    const broken = join(fixture.folder, "broken.wasm");
    // An i64.add in place of an i32.add: it parses, but its types do not match.
    const bytes = readFileSync(localModule);
    bytes[bytes.indexOf(0x6a, codeSection(bytes))] = 0x7c;
    writeFileSync(broken, bytes);
    fixture.write(localConfig(KEY, provider(broken)));
    assertRefused(/its module cannot be compiled or instantiated/);
    assert.equal(fixture.run("check", "--live").status, 1);
  });

  const refused: [guest: string, sentence: RegExp][] = [
    ["no-exports", /does not export the function kleidi_status/],
    ["imports-wasi", /only extism:host\/env and kleidi:\* can be imported/],
    ["imports-http", /extism:host\/env provides only its memory functions/],
    ["no-manifest", /has no manifest/],
    ["two-manifests", /has 2 manifests, 1 is allowed/],
    ["bad-manifest", /its manifest is not valid JSON/],
    ["wrong-abi", /its manifest does not follow docs\/ABI\.md: abi/],
    ["start-loop", /it was not ready within 5000 ms/],
    [
      "start-calls-host",
      /its start function can reach kleidi:log write; a module must not make host calls before/,
    ],
  ];
  for (const [guest, sentence] of refused) {
    test(`built as ${guest} is refused`, async () => {
      const guests: Record<string, string> = await buildGuests();
      fixture.write(localConfig(KEY, provider(guests[guest] ?? "")));
      assertRefused(sentence);
    });
  }
});

/** Offset of the code section's content. */
function codeSection(bytes: Buffer): number {
  let at = 8;
  for (;;) {
    const id = bytes[at++];
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0;
      size |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    if (id === 10) return at + 4;
    at += size;
  }
}

describe("a key file", () => {
  const cases: [what: string, spoil: () => void, sentence: RegExp][] = [
    [
      "missing, after it was created",
      () => rmSync(keyFile),
      /the file is gone\. The key was created on .* restore it from its backup/,
    ],
    ["empty", () => truncateSync(keyFile), /the file is empty/],
    [
      "of mode 0640",
      () => chmodSync(keyFile, 0o640),
      /it has the mode 0640, others may have read it; it should be 0600/,
    ],
    ["cut short", () => truncateSync(keyFile, 40), /its line does not end, so it is cut short/],
  ];
  for (const [what, spoil, sentence] of cases) {
    test(`that is ${what} is refused`, () => {
      spoil();
      assertBothRefuse(sentence);
    });
  }

  test("that is missing is not replaced by key init", () => {
    rmSync(keyFile);
    const { status, stderr } = fixture.run("key", "init");
    assert.equal(status, 1);
    assert.match(stderr, /its file is gone; ciphertexts may exist that only that file opens/);
    assert.equal(statSync(keyFile, { throwIfNoEntry: false }), undefined);
  });

  test("that exists is not overwritten by key init", () => {
    const before = readFileSync(keyFile);
    const { status, stderr } = fixture.run("key", "init", "kek");
    assert.equal(status, 1);
    assert.match(stderr, /exists already/);
    assert.deepEqual(readFileSync(keyFile), before);
  });

  test("is created by key init only for keys that the configuration names", () => {
    const { status, stderr } = fixture.run("key", "init", "other");
    assert.equal(status, 1);
    assert.match(stderr, /it is not a keystore key of .*; its keystore keys are: kek/);
  });
});

describe("socket path", () => {
  const cases: [what: string, place: () => void, sentence: RegExp][] = [
    ["a regular file", () => writeFileSync(fixture.socket, "x"), /a file that is not a socket is there/],
    ["a symbolic link", () => symlinkSync("/nowhere", fixture.socket), /a symbolic link is there/],
    ["a folder", () => mkdirSync(fixture.socket), /a folder is there/],
  ];
  for (const [what, place, sentence] of cases) {
    test(`${what} is refused`, () => {
      place();
      assertRefused(sentence);
    });
  }

  test("a missing folder is refused", () => {
    fixture.write(localConfig(KEY, { listen: { socket: "none/kms.sock" } }));
    assertRefused(/the folder .*none does not exist; create it: install -d/);
  });

  test("a socket in use is refused", async () => {
    await fixture.serve();
    assertRefused(/a process is serving there already/);
    const client = new KmsClient(fixture.socket);
    assert.equal((await client.status()).healthz, "ok");
    client.close();
  });

  test("a stale socket of another owner is refused", async () => {
    await Fixture.stop(await fixture.serve(), "SIGKILL");
    chownSync(fixture.socket, 65534, 65534);
    assertRefused(/belongs to uid 65534, this process is uid 0/);
  });

  test("a stale socket of the same owner is replaced", async () => {
    await Fixture.stop(await fixture.serve(), "SIGKILL");
    assert.ok(statSync(fixture.socket).isSocket());
    await fixture.serve();
    assert.equal(statSync(fixture.socket).mode & 0o777, 0o600);
  });
});

describe("a log file that cannot be written", () => {
  test("does not end the host when its disk is full", async () => {
    fixture.write(localConfig(KEY, { log: { level: "debug", file: "/dev/full" } }));
    const host = await fixture.serve();
    const client = new KmsClient(fixture.socket);
    const plaintext = new Uint8Array(32).fill(1);
    for (let i = 0; i < 10; i++) await client.encrypt({ plaintext });
    client.close();
    assert.equal(await Fixture.stop(host), 0);
  });
});

describe("stopping", () => {
  test("SIGINT ends the host as SIGTERM does", async () => {
    assert.equal(await Fixture.stop(await fixture.serve(), "SIGINT"), 0);
    assert.equal(statSync(fixture.socket, { throwIfNoEntry: false }), undefined);
  });

  test("SIGTERM finishes calls in flight, removes the socket and exits 0", async () => {
    const host = await fixture.serve();
    const client = new KmsClient(fixture.socket);
    const plaintext = new Uint8Array(32).fill(1);
    await client.encrypt({ plaintext });
    const calls = Array.from({ length: 50 }, () => client.encrypt({ plaintext }));
    await sleep(5);
    const code = Fixture.stop(host);
    const ended = await Promise.allSettled(calls);
    assert.equal(await code, 0);
    client.close();
    assert.ok(ended.some(({ status }) => status === "fulfilled"));
    for (const each of ended) {
      // A call that had not reached the host yet may be refused, but is never dropped silently or half done.
      if (each.status === "rejected") assert.equal(each.reason.code, 14, each.reason.details);
    }
    assert.equal(statSync(fixture.socket, { throwIfNoEntry: false }), undefined);
  });

  test("SIGKILL of the host leaves no provider process behind", async () => {
    const host = await fixture.serve();
    const children = readFileSync(`/proc/${host.pid}/task/${host.pid}/children`, "utf8").trim().split(" ");
    assert.ok(children.length >= 1 && children[0] !== "");
    await Fixture.stop(host, "SIGKILL");
    const deadline = Date.now() + 5000;
    while (children.some(alive) && Date.now() < deadline) await sleep(20);
    assert.ok(!children.some(alive));
  });
});

function alive(pid: string): boolean {
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch {
    return false;
  }
}
