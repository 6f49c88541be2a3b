/** From nothing to a provider that serves: provider new, provider build, and a host with the module and a KMS over HTTP. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { KmsClient } from "../../host/grpc/client.ts";
import { TEMPLATE_NAMES, type TemplateName } from "../../host/provider/scaffold.ts";
import type { EncryptResponse } from "../../proto/kms/v2/kms_pb.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture, kleidi, root } from "../support/fixture.ts";

const base = mkdtempSync(join(tmpdir(), "kleidi-new-test-"));
after(() => rmSync(base, { recursive: true }));
const run = (args: string[], cwd = base) => promisify(execFile)(kleidi, ["provider", ...args], { cwd });
const failed = (args: string[]) =>
  run(args).then(
    () => assert.fail("it succeeded"),
    (error: { code: number; stderr: string }) => [error.code, error.stderr] as const,
  );

const DEADLINE_MS = 30_000;

/** The part of a reply of Encrypt that the API server stores. */
function inputOf({ ciphertext, keyId, annotations }: EncryptResponse) {
  return { ciphertext, keyId, annotations };
}

/** AES-256-GCM behind the three requests of the examples. The associated data is under the cipher, and a wrong version is 409. */
class Kms {
  readonly #key = randomBytes(32);
  readonly #server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const [status, answer] = this.#answer(`${request.method} ${request.url}`, Buffer.concat(chunks));
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  });

  async start(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(line: string, body: Buffer): [number, object] {
    if (line === "GET /v1/keys/in-kms") return [200, { version: "3", state: { enabled: true } }];
    const { version, plaintext, ciphertext, associatedData } = JSON.parse(body.toString());
    const aad = Buffer.from(associatedData, "base64");
    if (version !== "3") return [409, {}];
    if (line === "POST /v1/keys/in-kms/encrypt") {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", this.#key, nonce).setAAD(aad);
      const sealed = [nonce, cipher.update(plaintext, "base64"), cipher.final(), cipher.getAuthTag()];
      return [200, { ciphertext: Buffer.concat(sealed).toString("base64") }];
    }
    if (line !== "POST /v1/keys/in-kms/decrypt") return [404, {}];
    const sealed = Buffer.from(ciphertext, "base64");
    if (sealed.length < 29) return [400, {}];
    try {
      const cipher = createDecipheriv("aes-256-gcm", this.#key, sealed.subarray(0, 12)).setAAD(aad);
      cipher.setAuthTag(sealed.subarray(-16));
      const opened = Buffer.concat([cipher.update(sealed.subarray(12, -16)), cipher.final()]);
      return [200, { plaintext: opened.toString("base64") }];
    } catch {
      return [400, {}];
    }
  }
}

/** What a new author installs, or has. */
const PREPARE: Readonly<Record<TemplateName, () => void>> = {
  assemblyscript: () => {},
  c: () => requireDebian(["clang", "lld"]),
  go: () => {},
};

for (const language of TEMPLATE_NAMES) {
  describe(language, () => {
    const name = `demo-${language}`;
    const folder = join(base, name);
    const kms = new Kms();
    const fixture = new Fixture();
    let client: KmsClient;

    before(async () => {
      PREPARE[language]();
      const began = performance.now();
      await run(["new", name, "--lang", language]);
      const { stdout } = await run(["build", "--json"], folder);
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      const { size, sha256, configuration } = JSON.parse(stdout);
      console.log(
        JSON.stringify({ measure: "new-to-build", language, seconds: Number(seconds), bytes: size }),
      );
      assert.ok(configuration.includes(sha256));
      const origin = await kms.start();
      const path = "/v1/keys/in-kms";
      const allow = [`GET ${path}`, `POST ${path}/encrypt`, `POST ${path}/decrypt`];
      fixture.write(
        JSON.stringify({
          apiVersion: "kleidi.dev/v1",
          listen: { socket: "kms.sock" },
          providers: {
            [name]: { module: join(folder, `${name}.wasm`), sha256, grants: { net: { origin, allow } } },
          },
          keys: [{ name: "kek", provider: name, use: "active", settings: { key: "in-kms" } }],
          log: { level: "debug", file: "kleidi.log" },
        }),
      );
      await fixture.serve();
      client = new KmsClient(fixture.socket);
    });
    after(async () => {
      client?.close();
      kms.stop();
      await fixture.close();
    });

    test("the provider encrypts and decrypts in the sandbox", async () => {
      const plaintext = randomBytes(32);
      const sealed = await client.encrypt({ plaintext, uid: "one" }, DEADLINE_MS);
      const again = await client.encrypt({ plaintext, uid: "two" }, DEADLINE_MS);
      assert.notDeepEqual(sealed.ciphertext, again.ciphertext);
      const opened = await client.decrypt({ ...inputOf(sealed), uid: "three" }, DEADLINE_MS);
      assert.deepEqual(Buffer.from(opened.plaintext), plaintext);
    });

    test("a changed ciphertext is INVALID_ARGUMENT", async () => {
      const input = inputOf(await client.encrypt({ plaintext: randomBytes(32), uid: "one" }, DEADLINE_MS));
      const ciphertext = Uint8Array.from(input.ciphertext, (byte, i) => (i === 20 ? byte ^ 1 : byte));
      await assert.rejects(client.decrypt({ ...input, ciphertext, uid: "two" }, DEADLINE_MS), { code: 3 });
    });

    test("it passes the conformance kit", async () => {
      const { stdout } = await run(["test", `${name}.wasm`], folder);
      assert.match(stdout, /^# pass \d+, fail 0,/m);
    });

    test("its files name no other provider, and a build adds the module only", () => {
      const files = readdirSync(folder, { recursive: true }).map(String);
      for (const file of ["provider.json", "README.md", `${name}.wasm`])
        assert.ok(files.includes(file), file);
      assert.doesNotMatch(readFileSync(join(folder, "provider.json"), "utf8"), /http-/);
    });
  });
}

describe("refused", () => {
  const REFUSED: readonly (readonly [string[], RegExp])[] = [
    [["new", "../out"], /Cannot use the name "\.\.\/out": expected 1 to 63/],
    [["new", "Mine"], /Cannot use the name "Mine"/],
    [["new", "-x"], /unknown option/],
    [["new", "mine", "--lang", "cobol"], /Cannot use --lang cobol: expected one of assemblyscript, c, go/],
  ];
  for (const [args, message] of REFUSED) {
    test(args.join(" "), async () => {
      const [code, stderr] = await failed(args);
      assert.equal(code, 2);
      assert.match(stderr, message);
      assert.equal(existsSync(join(base, "mine")), false);
    });
  }

  test("a folder that exists is left as it is", async () => {
    await run(["new", "twice", "--lang", "c"]);
    const before = readFileSync(join(base, "twice", "provider.c"), "utf8");
    const [code, stderr] = await failed(["new", "twice", "--lang", "go"]);
    assert.equal(code, 2);
    assert.match(stderr, /Cannot create the folder twice: it exists/);
    assert.equal(readFileSync(join(base, "twice", "provider.c"), "utf8"), before);
    assert.equal(existsSync(join(base, "twice", "go.mod")), false);
  });
});

test("the example has the compiler of AssemblyScript that the SDK is tested with", () => {
  const versionIn = (file: string) =>
    JSON.parse(readFileSync(join(root, file), "utf8")).devDependencies.assemblyscript;
  assert.equal(versionIn("examples/http-assemblyscript/package.json"), versionIn("package.json"));
});
