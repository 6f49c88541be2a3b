/** kleidi provider run: with a fixture, with a real origin, recorded and replayed. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { kleidi, localModule, root } from "../support/fixture.ts";
import { mutantOf, TOY_FIXTURE, toyModule } from "./mutants.ts";

const CANARY = "canary-3f9a51c07be2d846";
const folder = mkdtempSync(join(tmpdir(), "kleidi-run-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));

let toy: string;
before(async () => {
  toy = put("toy.wasm", await toyModule());
});

function put(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

/** Without blocking: the KMS is in this process. */
function run(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const { promise, resolve } = Promise.withResolvers<{ status: number; stdout: string; stderr: string }>();
  execFile(kleidi, ["provider", "run", ...args], { timeout: 120_000 }, (error, stdout, stderr) =>
    resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
  );
  return promise;
}

test("traces each host call, those of crypto included", async () => {
  const { status, stdout } = await run(join(root, "providers/vault.wasm"), "all", "--trace");
  assert.equal(status, 0, stdout);
  const calls = [...stdout.matchAll(/^ +(\d+)\/64 (.*?): (\S+.*?), \d+ bytes out, \d+ in, [\d.]+ ms$/gm)];
  assert.deepEqual(
    calls.map(([, number, call, result]) => `${number} ${call} ${result}`),
    [
      "1 net request GET /v1/team/kms/transit/keys/kek status 200",
      "2 crypto digest ok",
      "1 crypto digest ok",
      "2 net request POST /v1/team/kms/transit/encrypt/kek status 200",
      "1 crypto digest ok",
      "2 net request POST /v1/team/kms/transit/decrypt/kek status 200",
    ],
  );
});

test("traces the memory and the blocks of each call", async () => {
  const { calls } = JSON.parse((await run(localModule, "all", "--json")).stdout);
  assert.equal(calls.length, 3);
  for (const { usage } of calls) {
    assert.equal(usage.memoryBytes % 65_536, 0);
    assert.ok(usage.blocks >= 2 && usage.blocks <= 8, `${usage.blocks} blocks`);
    assert.ok(usage.blockBytes > usage.blocks);
  }
  const { stdout } = await run(localModule, "status", "--trace");
  assert.match(stdout, /^ {4}memory \d+ KiB, \d+ of 1024 blocks with \d+ bytes$/m);
});

test("ends after the RPC that is named, and with 1 at a failure", async () => {
  const one = JSON.parse((await run(localModule, "status", "--json")).stdout);
  assert.deepEqual([one.ok, one.calls.length, one.calls[0].result], [true, 1, "reply"]);
  const { status, stdout } = await run(toy, "all", "--fixture", TOY_FIXTURE, "--set", "no=such", "--json");
  const failed = JSON.parse(stdout);
  assert.equal(status, 1);
  assert.deepEqual([failed.ok, failed.calls.length, failed.calls[0].code], [false, 1, 2]);
});

describe("a recording", () => {
  const path = join(folder, "toy.jsonl");

  test("is replayed exactly, random bytes included", async () => {
    const recorded = await run(toy, "all", "--fixture", TOY_FIXTURE, "--record", path);
    assert.equal(recorded.status, 0, recorded.stderr);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.match(readFileSync(path, "utf8"), /"operation":"crypto random"/);
    const replayed = await run(toy, "all", "--replay", path, "--json");
    assert.equal(replayed.status, 0, replayed.stdout);
    const { calls } = JSON.parse(replayed.stdout);
    assert.deepEqual(
      calls.map(({ rpc, differences }: { rpc: string; differences: string[] }) => [rpc, differences]),
      [
        ["status", []],
        ["encrypt", []],
        ["decrypt", []],
      ],
    );
  });

  test("shows that another build sends other requests", async () => {
    // associated data not bound
    const other = put("other.wasm", mutantOf(await toyModule(), 3));
    const { status, stdout, stderr } = await run(other, "all", "--replay", path);
    assert.equal(status, 1);
    assert.match(stdout, /^ {2}differs: it sent a request of net request that the recording does not have$/m);
    assert.match(stderr, /^note: the recording is of the module with the sha256 /);
  });

  for (const [what, text, line] of [
    ["no JSON", "{", 1],
    ["no recording", '{"a":1}\n', 1],
    ["a line of another kind", `{"recording":1,"sha256":"${"0".repeat(64)}"}\n{"rpc":"serve"}\n`, 2],
  ] as const) {
    test(`${what} is a usage error that names the line`, async () => {
      const { status, stderr } = await run(toy, "all", "--replay", put("bad.jsonl", text));
      assert.equal(status, 2);
      assert.match(
        stderr,
        new RegExp(`^error: Cannot read the recording .*: line ${line} is not one of a recording`),
      );
    });
  }
});

describe("a real origin", () => {
  /** The headers that arrived. */
  const seen: IncomingMessage["headers"][] = [];
  let reflects = false;
  const sealed = new Map<string, string>();
  const server = createServer((request, response) => void answer(request, response));
  before(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
  after(() => server.close());

  /** A KMS of the toy. With `reflects`, it repeats the credential in its answer. */
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    seen.push(request.headers);
    let text = "";
    for await (const chunk of request) text += chunk;
    const body = text === "" ? {} : JSON.parse(text);
    const operation = request.url?.split("/")[3];
    if (operation === "encrypt") sealed.set(TOKEN, body.plaintext);
    const found = {
      encrypt: { ciphertext: TOKEN },
      decrypt: { plaintext: sealed.get(body.ciphertext) },
    }[operation ?? ""] ?? { id: "id-kek", current: 1, oldest: 1 };
    const extra = reflects ? { debug: request.headers.authorization } : {};
    const bytes = Buffer.from(JSON.stringify({ ...found, ...extra }));
    response.writeHead(200, { "content-type": "application/json", "content-length": bytes.length });
    response.end(bytes);
  }

  function options(record: string): string[] {
    const { port } = server.address() as AddressInfo;
    const allow = ["GET /keys/kek", "POST /keys/kek/encrypt", "POST /keys/kek/decrypt"];
    const token = put("token", `${CANARY}\n`);
    return [
      ...["--origin", `http://127.0.0.1:${port}`, "--token-file", token, "--record", record],
      ...allow.flatMap((line) => ["--allow", line]),
    ];
  }

  /** Asserts that no form of the token is in a file. */
  function assertNoCanary(path: string): void {
    const text = readFileSync(path, "utf8");
    const forms = [0, 1, 2].map((skip) => Buffer.from(CANARY.slice(skip, skip + 15)).toString("base64"));
    for (const form of [CANARY, Buffer.from(CANARY).toString("hex"), ...forms])
      assert.ok(!text.includes(form) && !text.includes(Buffer.from(form).toString("hex")), form);
  }

  test("gets the token, and neither the trace nor the recording has it", async () => {
    const record = join(folder, "origin.jsonl");
    const { status, stdout, stderr } = await run(toy, "all", "--trace", ...options(record));
    assert.equal(status, 0, stdout + stderr);
    assert.equal(seen.length, 3);
    for (const { authorization } of seen) assert.equal(authorization, `Bearer ${CANARY}`);
    assert.ok(!`${stdout}${stderr}`.includes(CANARY));
    assertNoCanary(record);
    assert.equal((await run(toy, "all", "--replay", record)).status, 0);
  });

  test("that repeats the token is refused, and the recording does not have it", async () => {
    reflects = true;
    const record = join(folder, "reflected.jsonl");
    const { status, stdout } = await run(toy, "status", "--trace", ...options(record));
    reflects = false;
    assert.equal(status, 1);
    assert.match(stdout, /net request GET \/keys\/kek: code 5: /);
    assertNoCanary(record);
  });

  test("and a request that is not allowed voids the call", async () => {
    const { port } = server.address() as AddressInfo;
    const origin = ["--origin", `http://127.0.0.1:${port}`, "--allow", "GET /keys/other"];
    const { status, stdout } = await run(toy, "status", ...origin);
    assert.equal(status, 1);
    assert.match(stdout, /^status {3}a denied host call/);
  });
});

test("the folder with the key of a run is removed", async () => {
  const before = readdirSync(tmpdir()).filter(
    (name) => name.startsWith("kleidi-run-") && !name.startsWith("kleidi-run-test-"),
  );
  const { status, stderr } = await run(
    localModule,
    "all",
    "--origin",
    "http://127.0.0.1:9",
    "--allow",
    "GET /",
  );
  assert.equal(status, 2, stderr);
  const left = readdirSync(tmpdir()).filter(
    (name) => name.startsWith("kleidi-run-") && !name.startsWith("kleidi-run-test-"),
  );
  assert.deepEqual(
    left.filter((name) => !before.includes(name)),
    [],
  );
});

describe("usage errors", () => {
  for (const [what, args, said] of [
    ["another word", ["seal"], /write status, encrypt, decrypt, or all/],
    ["a setting without a value", ["all", "--set", "mount"], /write --set name=value/],
    ["an origin without requests", ["all", "--origin", "https://kms.example"], /without --allow/],
    ["requests without an origin", ["all", "--allow", "GET /x"], /Cannot use --allow without --origin/],
    [
      "options that the configuration would refuse, each",
      ["all", "--origin", "http://kms.example", "--allow", "get /x"],
      /^error: Cannot use the options of the command:\norigin: expected https.*\nallow\[0\]: expected GET/,
    ],
  ] as const) {
    test(what, async () => {
      const { status, stderr } = await run(join(root, "providers/vault.wasm"), ...args);
      assert.equal(status, 2, stderr);
      assert.match(stderr, said);
    });
  }

  test("a module with a capability that no option grants", async () => {
    const { status, stderr } = await run(
      join(root, "providers/tpm.wasm"),
      "all",
      "--origin",
      "https://kms.example",
      "--allow",
      "GET /x",
    );
    assert.equal(status, 2);
    assert.match(stderr, /requests kleidi:(tpm|state), which no option grants/);
  });
});

/** A ciphertext of the toy KMS. */
const TOKEN = Buffer.alloc(60, 7).toString("base64");
