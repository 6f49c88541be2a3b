/** Tokens in real files; the test controls the clock. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, type TestContext, test } from "node:test";
import { auth, down, headersOf, json, patient, Rig, settled } from "../../../../test/support/credential.ts";
import { assertError, errorOf } from "../../../../test/support/failures.ts";
import { assertSentence } from "../../../../test/support/thrown.ts";
import { type Credential, Unreachable } from "../exchange.ts";

const LOOKUP = "/v1/auth/token/lookup-self";
const RENEW = "/v1/auth/token/renew-self";

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.remove());

const plain = (file: string) => rig.create({ kind: "file", file, header: "authorization", scheme: "Bearer" });
const vault = (file: string) => rig.create({ kind: "vault", auth: "token", file });

async function carried(credential: Credential): Promise<unknown> {
  const headers = headersOf(await credential.lease(patient));
  return headers.authorization ?? headers["x-vault-token"];
}

/** As Vault Agent does it: a complete file replaces the old one. */
function replace(content: string): void {
  renameSync(rig.secret("next", content), join(rig.folder, "token"));
}

describe("a token in a file", () => {
  test("is sent without its trailing newline, and keeps its lease while it is unchanged", async () => {
    const credential = plain(rig.secret("token", "first\n"));
    const lease = await credential.lease(patient);
    assert.deepEqual(headersOf(lease), { authorization: "Bearer first" });
    await rig.clock.pass(5000);
    assert.equal(await credential.lease(patient), lease);
    assert.deepEqual(rig.events, [{ provider: "vault", event: "read" }]);
    assert.equal(rig.requests.length, 0);
  });

  test("may end in CR LF, or without a line end", async () => {
    assert.equal(await carried(plain(rig.secret("a", "first\r\n"))), "Bearer first");
    assert.equal(await carried(plain(rig.secret("b", "first"))), "Bearer first");
  });

  test("is read again within a second of its replacement", async () => {
    const credential = plain(rig.secret("token", "first"));
    await carried(credential);
    replace("other");
    await rig.clock.pass(999);
    assert.equal(await carried(credential), "Bearer first");
    await rig.clock.pass(1);
    assert.equal(await carried(credential), "Bearer other");
    assert.deepEqual(rig.kinds(), ["read", "read"]);
  });

  test("is read again when a file of the same size and time replaced it", async () => {
    const file = rig.secret("token", "first");
    utimesSync(file, 1000, 1000);
    const credential = plain(file);
    await carried(credential);
    utimesSync(rig.secret("next", "other"), 1000, 1000);
    renameSync(join(rig.folder, "next"), file);
    await rig.clock.pass(1000);
    assert.equal(await carried(credential), "Bearer other");
  });

  test("is read at once after a refusal, and the request is retried only with another token", async () => {
    const credential = plain(rig.secret("token", "first"));
    const lease = await credential.lease(patient);
    assert.equal(await credential.refused(lease, patient), false);
    replace("first\n");
    assert.equal(await credential.refused(lease, patient), false);
    replace("other");
    assert.equal(await credential.refused(lease, patient), true);
    assert.equal(await credential.refused(lease, patient), true);
    assert.equal(await carried(credential), "Bearer other");
  });

  test("is used again when its file is back, and the fault is reported once", async (t) => {
    const file = rig.secret("token", "first");
    const credential = plain(file);
    const lease = await credential.lease(patient);
    rmSync(file);
    for (let seconds = 0; seconds < 5; seconds++) {
      await rig.clock.pass(1000);
      await assertError(t, Unreachable, () => credential.lease(patient), { FILE: file });
    }
    assert.equal(await credential.refused(lease, patient), false);
    rig.secret("token", "first");
    await rig.clock.pass(1000);
    assert.equal(await carried(credential), "Bearer first");
    assert.deepEqual(rig.kinds(), ["read", "failed", "read"]);
  });

  test("is found in answers, and so is the previous one", async () => {
    const credential = plain(rig.secret("token", "first-token"));
    await carried(credential);
    replace("other-token");
    await rig.clock.pass(1000);
    await carried(credential);
    for (const token of ["first-token", "other-token"])
      assert.ok(credential.containsSecret(Buffer.from(`<${token}>`)));
    assert.equal(credential.containsSecret(Buffer.from("third-token")), false);
  });
});

describe("a secret file is refused, by name and without its content, if", () => {
  const CONTENTS: Readonly<Record<string, string | Uint8Array>> = {
    "it is empty": "",
    "it is a newline": "\n",
    "it has two lines": "CANARY\nCANARY\n",
    "it contains another header": "CANARY\r\nx-other: 1",
    "it is not printable": Buffer.from("CANARY\u0007"),
    "it is not ASCII": "CANARYé",
    "it is too long for a header": "CANARY".repeat(3000),
    "it is over 64 KiB": "CANARY".repeat(11_000),
  };
  for (const [name, content] of Object.entries(CONTENTS)) {
    test(name, (t) => refuses(t, rig.secret("token", content)));
  }
  test("others may read it", (t) => refuses(t, rig.secret("token", "CANARY", 0o644)));
  test("it is a dangling link", (t) => {
    symlinkSync(join(rig.folder, "target"), join(rig.folder, "token"));
    return refuses(t, join(rig.folder, "token"));
  });
  test("it is a folder", (t) => refuses(t, rig.folder));
  test("it is missing", (t) => refuses(t, join(rig.folder, "CANARY-less"), /(?!)/));
  test("its folder is a file", (t) => refuses(t, join(rig.secret("token", "CANARY"), "deeper")));

  async function refuses(t: TestContext, file: string, canary = /CANARY/): Promise<void> {
    const error = await errorOf(() => plain(file).lease(patient));
    assert.ok(error instanceof Unreachable);
    assert.doesNotMatch(`${error.stack}`, canary);
    assertSentence(t, error.message, { FILE: file, FOLDER: dirname(file) });
  }
});

describe("a service account's token", () => {
  const kubernetes = (file: string) =>
    rig.create({ kind: "vault", auth: "kubernetes", role: "kleidi", file });

  /** The kubelet's layout; `next` replaces the token like the kubelet. */
  function project(jwt: string, mode = 0o644): string {
    const version = join(rig.folder, `..${jwt}`);
    mkdirSync(version);
    writeFileSync(join(version, "token"), jwt);
    chmodSync(join(version, "token"), mode);
    symlinkSync(`..${jwt}`, join(rig.folder, "..data_tmp"));
    renameSync(join(rig.folder, "..data_tmp"), join(rig.folder, "..data"));
    rmSync(join(rig.folder, "token"), { force: true });
    symlinkSync("..data/token", join(rig.folder, "token"));
    return join(rig.folder, "token");
  }

  test("is read through the kubelet's links, with its mode, at each login", async () => {
    rig.answer = () => auth("vault-token", 3600);
    const credential = kubernetes(project("jwt-1"));
    const lease = await credential.lease(patient);
    project("jwt-2");
    await rig.clock.pass(10_000);
    await credential.refused(lease, patient);
    assert.deepEqual(rig.bodies.slice(0, 2), [
      '{"role":"kleidi","jwt":"jwt-1"}',
      '{"role":"kleidi","jwt":"jwt-2"}',
    ]);
  });

  test("is refused if others may write it", async (t) => {
    await assertError(t, Unreachable, () => kubernetes(project("jwt", 0o664)).lease(patient), {
      FOLDER: rig.folder,
    });
  });

  test("does not block the host if a pipe replaces it", async (t) => {
    const pipe = join(rig.folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    await assertError(t, Unreachable, () => kubernetes(pipe).lease(patient), { FOLDER: rig.folder });
  });
});

describe("a Vault token in a file", () => {
  const life = (ttl: number, renewable = true) => json({ data: { ttl, renewable } });

  test("is used at once, looked up in the background and renewed at two thirds", async () => {
    rig.answer = ({ path }) => (path === LOOKUP ? life(60) : auth("ignored", 60));
    const credential = vault(rig.secret("token", "hvs.file"));
    assert.equal(await carried(credential), "hvs.file");
    await rig.clock.pass(600_000);
    assert.equal(await carried(credential), "hvs.file");
    assert.deepEqual(rig.paths(), [LOOKUP, ...Array(15).fill(RENEW)]);
    assert.deepEqual(rig.kinds().slice(0, 3), ["read", "read", "renewed"]);
    assert.equal(rig.events[1]?.expires, rig.events[0] && 1_800_000_001_000 + 60_000);
  });

  test("is used even if its look-up is forbidden", async () => {
    rig.answer = () => json({}, 403);
    const credential = vault(rig.secret("token", "hvs.file"));
    await carried(credential);
    await rig.clock.pass(3_600_000);
    assert.equal(await carried(credential), "hvs.file");
    assert.deepEqual(rig.paths(), [LOOKUP]);
    assert.deepEqual(rig.kinds(), ["read"]);
  });

  test("is looked up again if the host may not renew it: Vault Agent may have renewed it", async () => {
    rig.answer = ({ path }) => (path === LOOKUP ? life(60) : json({}, 403));
    const credential = vault(rig.secret("token", "hvs.file"));
    await carried(credential);
    await rig.clock.pass(200_000);
    assert.equal(await carried(credential), "hvs.file");
    assert.deepEqual(rig.paths(), [LOOKUP, RENEW, ...Array(5).fill(LOOKUP)]);
    assert.equal(rig.kinds().filter((kind) => kind === "failed").length, 1);
  });

  test("is looked up again with growing pauses while the server is unreachable", async () => {
    rig.answer = down;
    const credential = vault(rig.secret("token", "hvs.file"));
    await carried(credential);
    await rig.clock.pass(60_000);
    const { length } = rig.requests;
    assert.ok(length >= 7 && length <= 11, `${length} look-ups`);
    rig.answer = ({ path }) => (path === LOOKUP ? life(60) : auth("ignored", 60));
    await rig.clock.pass(90_000);
    assert.equal(rig.kinds().at(-1), "renewed");
    assert.equal(await carried(credential), "hvs.file");
  });

  test("is used until it expires if it cannot be renewed, and then the next one is", async (t) => {
    rig.answer = () => life(60, false);
    const credential = vault(rig.secret("token", "hvs.file"));
    await carried(credential);
    await rig.clock.pass(58_999);
    assert.equal(await carried(credential), "hvs.file");
    await rig.clock.pass(1);
    await assertError(t, Unreachable, () => credential.lease(patient), { FOLDER: rig.folder });
    assert.deepEqual(rig.paths(), [LOOKUP]);
    replace("hvs.next");
    assert.equal(await carried(credential), "hvs.next");
  });

  test("is not renewed after it was replaced; the next one is", async () => {
    rig.answer = ({ path }) => (path === LOOKUP ? life(60) : auth("ignored", 60));
    const credential = vault(rig.secret("token", "hvs.file"));
    await carried(credential);
    replace("hvs.next");
    await rig.clock.pass(1000);
    await carried(credential);
    await rig.clock.pass(120_000);
    const renewals = rig.requests.filter(({ path }) => path === RENEW);
    assert.deepEqual(new Set(renewals.map(({ headers }) => headers["x-vault-token"])), new Set(["hvs.next"]));
  });

  test("is not renewed while its file is missing, and is renewed when it is back", async (t) => {
    rig.answer = ({ path }) => (path === LOOKUP ? life(60) : auth("ignored", 60));
    const file = rig.secret("token", "hvs.file");
    const credential = vault(file);
    await carried(credential);
    rmSync(file);
    await rig.clock.pass(1000);
    await assertError(t, Unreachable, () => credential.lease(patient), { FILE: file });
    await rig.clock.pass(600_000);
    assert.deepEqual(rig.paths(), [LOOKUP]);
    rig.secret("token", "hvs.file");
    await carried(credential);
    await rig.clock.pass(40_000);
    assert.deepEqual(rig.paths(), [LOOKUP, LOOKUP, RENEW]);
  });

  test("is neither revoked nor renewed when the host stops", async (t) => {
    rig.answer = () => life(60);
    const credential = vault(rig.secret("token", "hvs.file"));
    await carried(credential);
    await settled();
    await credential.close();
    assert.equal(rig.clock.timers, 0);
    assert.deepEqual(rig.paths(), [LOOKUP]);
    await assertError(t, Unreachable, () => credential.lease(patient));
  });
});
