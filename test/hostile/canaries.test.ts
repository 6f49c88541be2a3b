/**
 * End-to-end: a host with an honest provider and one that leaks its plaintexts wherever it can. All output of the host is then searched for
 * the tagged plaintexts and the keys' bytes.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { ServiceError } from "@grpc/grpc-js";
import { Grpc } from "../../host/error.ts";
import { type DecryptInput, KmsClient } from "../../host/grpc/client.ts";
import { buildGuests } from "../guests/build.ts";
import { ask, freePort } from "../support/admin.ts";
import { Fixture, type Key, localConfig, localModule, sha256Of } from "../support/fixture.ts";

const fixture = new Fixture({ keepOutput: true });

/** 32 bytes; the last one selects the leak of the gossip provider. */
const canary = (where: number) => `CANARY-of-a-seed/+"\\<>-4f9a1c3-${where}`;
const CANARIES = Array.from({ length: 10 }, (_, where) => canary(where));
/** The plaintexts of the honest provider. */
const LOCALS = ['LOCALS-of-a-seed/+"\\<>-77bd02e-0', 'LOCALS-of-a-seed/+"\\<>-77bd02e-1'];
const bytes = (text: string) => Buffer.from(text);

interface Line {
  readonly level: number;
  readonly guest?: boolean;
  readonly provider?: string;
  readonly code?: string;
  readonly msg: string;
  readonly cause?: string;
}

/** The errors that callers received, with the metadata, by the RPC that failed. */
const refusals: { rpc: string; where: number; error: ServiceError }[] = [];
/** The replies of the honest provider, and Status. */
const honestReplies: unknown[] = [];
let lines: Line[] = [];
/** The output of the admin listener at the end. */
const told: Record<string, string> = {};

before(async () => {
  for (const text of [...CANARIES, ...LOCALS]) assert.equal(bytes(text).length, 32);
  const { gossip } = await buildGuests();
  const admin = `127.0.0.1:${await freePort()}`;
  const config = (active: "kek" | "talk") => {
    const keys: Key[] = [
      { name: "kek", provider: "local", use: active === "kek" ? "active" : "decrypt" },
      { name: "talk", provider: "gossip", use: active === "talk" ? "active" : "decrypt" },
    ];
    const provider = (module: string, key: string) => ({
      module,
      sha256: sha256Of(module),
      grants: { keystore: { keys: [key] } },
    });
    const providers = { local: provider(localModule, "kek"), gossip: provider(gossip, "talk") };
    return localConfig(keys, { providers, admin: { listen: admin }, audit: { file: "audit.jsonl" } });
  };
  fixture.write(config("kek")).keyInit("kek").keyInit("talk");
  const first = await fixture.serve();
  const earlier = new KmsClient(fixture.socket);
  const sealed: DecryptInput[] = [];
  for (const text of LOCALS) sealed.push(await earlier.encrypt({ plaintext: bytes(text) }));
  earlier.close();
  await Fixture.stop(first);
  honestReplies.push(...sealed);

  fixture.write(config("talk"));
  const host = await fixture.serve();
  const client = new KmsClient(fixture.socket);
  const { keyId } = await client.status();
  const refused = (rpc: string, where: number) => (error: ServiceError) => {
    refusals.push({ rpc, where, error });
  };
  for (const [where, text] of CANARIES.entries()) {
    const ciphertext = bytes(text).map((byte) => byte ^ 0x55);
    const annotations = { "format.kleidi.dev": bytes("1") };
    const honest = Promise.all(sealed.map((each) => client.decrypt(each)));
    await Promise.all([
      client.encrypt({ plaintext: bytes(text), uid: "encrypt" }).catch(refused("encrypt", where)),
      client.decrypt({ ciphertext, keyId, annotations, uid: "decrypt" }).catch(refused("decrypt", where)),
    ]);
    const opened = (await honest).map(({ plaintext }) => Buffer.from(plaintext).toString());
    assert.deepEqual(opened, LOCALS, "the honest provider works");
    // every later call runs in an instance that must know nothing of it
    await client.encrypt({ plaintext: Buffer.alloc(32, 1) });
    honestReplies.push(await client.status());
  }
  client.close();
  for (const path of ["/", "/state", "/metrics", "/readyz"]) told[path] = (await ask(admin, path)).text;
  assert.equal(await Fixture.stop(host), 0);
  lines = fixture
    .readLog()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
});
after(() => fixture.close());

const said = (value: unknown) =>
  JSON.stringify(value, (_, each) =>
    each instanceof Uint8Array
      ? `${Buffer.from(each).toString("latin1")} ${Buffer.from(each).toString("hex")}`
      : each,
  );

/** All output of the host that is not a provider's own channel. New kinds of output must be added here. */
function sinks(): Record<string, string> {
  return {
    "errors and metadata of gRPC": refusals
      .map(({ error }) => `${error.message} ${error.details} ${said(error.metadata.toJSON())}`)
      .join("\n"),
    "the honest provider's replies and Status": honestReplies.map(said).join("\n"),
    "stdout and stderr": fixture.output,
    "the host's own lines of the log": lines
      .filter(({ guest }) => guest !== true)
      .map(said)
      .join("\n"),
    "the audit log": readFileSync(join(fixture.folder, "audit.jsonl"), "latin1"),
    ...told,
  };
}

/** All encodings of bytes, in lower case. */
function writings(secret: Uint8Array): string[] {
  const buffer = Buffer.from(secret);
  const plain = buffer.toString("latin1");
  // inside longer data, base64 depends on the bytes before
  const base64 = [0, 1, 2].flatMap((shift) => {
    const whole = Buffer.concat([Buffer.alloc(shift), buffer])
      .toString("base64")
      .replace(/=+$/, "");
    const inner = whole.slice(shift === 0 ? 0 : shift + 1, -2);
    return [inner, inner.replaceAll("+", "-").replaceAll("/", "_")];
  });
  const escaped = JSON.stringify(plain).slice(1, -1);
  const all = [plain, escaped, JSON.stringify(escaped).slice(1, -1), buffer.toString("hex"), ...base64];
  return [...all, encodeURIComponent(plain), buffer.join(",")].map((text) => text.toLowerCase());
}

function assertAbsent(secret: Uint8Array, name: string, everywhere: Record<string, string>): void {
  for (const [sink, text] of Object.entries(everywhere)) {
    const haystack = text.toLowerCase();
    for (const writing of writings(secret)) {
      assert.ok(!haystack.includes(writing), `${name} is in ${sink}`);
    }
  }
}

test("the search finds a secret in any encoding", () => {
  const secret = Buffer.from(canary(0));
  const within = Buffer.concat([Buffer.from("ab"), secret, Buffer.from("cd")]);
  const written = [
    JSON.stringify({ msg: canary(0) }),
    JSON.stringify(JSON.stringify({ msg: canary(0) })),
    secret.toString("hex").toUpperCase(),
    ...[0, 1, 2].flatMap((at) =>
      (["base64", "base64url"] as const).map((form) => within.subarray(at).toString(form)),
    ),
    encodeURIComponent(canary(0)),
    said({ ciphertext: new Uint8Array(within) }),
  ];
  for (const text of written) {
    assert.throws(() => assertAbsent(secret, "it", { text }), /it is in text/, text);
  }
});

test("each leak has the expected result", () => {
  const codes = (rpc: string) =>
    Object.fromEntries(
      refusals.filter((each) => each.rpc === rpc).map(({ where, error }) => [where, error.code]),
    );
  const { UNAVAILABLE, INTERNAL, PERMISSION_DENIED } = Grpc;
  assert.deepEqual(codes("encrypt"), {
    1: UNAVAILABLE,
    2: INTERNAL,
    3: PERMISSION_DENIED,
    4: INTERNAL,
    5: INTERNAL,
    6: INTERNAL,
    7: INTERNAL,
    8: UNAVAILABLE,
    9: INTERNAL,
  });
  assert.deepEqual(codes("decrypt"), { 3: PERMISSION_DENIED, 7: INTERNAL, 8: UNAVAILABLE, 9: INTERNAL });
});

test("a plaintext is in no output of the host except what its provider was given to keep", () => {
  for (const text of [...CANARIES, ...LOCALS]) assertAbsent(bytes(text), text, sinks());
});

test("a plaintext is in the log only in lines that are marked as its own provider's", () => {
  const marked = lines.filter(({ guest }) => guest === true);
  for (const text of CANARIES) {
    const levels = marked.filter(({ msg }) => msg === text).map(({ level }) => level);
    assert.deepEqual(new Set(levels), new Set([20, 40]), "the search finds known text");
    assert.ok(marked.some(({ msg }) => msg === bytes(text).toString("hex")));
    assert.ok(
      marked.some(({ msg, level }) => level === 50 && msg === `{"level":60,"guest":false,"msg":"${text}"}`),
    );
  }
  assert.ok(
    marked.some(({ cause }) => cause?.includes(canary(1))),
    "a failure's words, as its cause",
  );
  assert.ok(
    marked.some(({ cause }) => cause?.includes(canary(2))),
    "an error's words, as its cause",
  );
  for (const { provider, code } of marked) assert.ok(provider === "gossip" || code !== undefined);
  for (const text of LOCALS)
    assertAbsent(bytes(text), text, { "the gossip's lines": marked.map(said).join("\n") });
});

test("no later instance of a provider holds the data of an earlier one", () => {
  const found = (what: string) => lines.filter(({ msg }) => msg === what).length;
  assert.ok(found("PRESENT") > 0, "the search finds known text");
  assert.equal(found("LEFTOVER"), 0);
});

test("no key is in any output of the host, including the providers' own lines", () => {
  for (const name of ["kek", "talk"]) {
    const [, , encoded = ""] = readFileSync(join(fixture.folder, "keys", `${name}.key`), "utf8").split(" ");
    const key = Buffer.from(encoded, "base64url");
    assert.equal(key.length, 32);
    assertAbsent(key, name, { ...sinks(), "the complete log": lines.map(said).join("\n") });
  }
});
