/** Tokens in real files; the clock is the test's. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { auth, down, headersOf, json, patient, Rig, settled } from "../../../../test/support/credential.ts";
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

/** As Vault Agent does it: a complete file replaces the other one. */
function replace(content: string): void {
  renameSync(rig.secret("next", content), join(rig.folder, "token"));
}

describe("a token in a file", () => {
  test("is carried without the newline at its end, and the same lease is given while it is the same", async () => {
    const credential = plain(rig.secret("token", "first\n"));
    const lease = await credential.lease(patient);
    assert.deepEqual(headersOf(lease), { authorization: "Bearer first" });
    await rig.clock.pass(5000);
    assert.equal(await credential.lease(patient), lease);
    assert.deepEqual(rig.events, [{ provider: "vault", event: "read" }]);
    assert.equal(rig.requests.length, 0);
  });

  test("may end in CR LF, or in nothing", async () => {
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

  test("is read again when it was replaced by one of the same size and time", async () => {
    const file = rig.secret("token", "first");
    utimesSync(file, 1000, 1000);
    const credential = plain(file);
    await carried(credential);
    utimesSync(rig.secret("next", "other"), 1000, 1000);
    renameSync(join(rig.folder, "next"), file);
    await rig.clock.pass(1000);
    assert.equal(await carried(credential), "Bearer other");
  });

  test("that was refused is read at once; the request is retried only with another token", async () => {
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

  test("comes back with its file, and the fault is reported once", async () => {
    const file = rig.secret("token", "first");
    const credential = plain(file);
    const lease = await credential.lease(patient);
    rmSync(file);
    for (let seconds = 0; seconds < 5; seconds++) {
      await rig.clock.pass(1000);
      await assert.rejects(credential.lease(patient), {
        name: "Unreachable",
        message: `the secret file ${file} cannot be used: it cannot be read (ENOENT); put the file there, or correct the path`,
      });
    }
    assert.equal(await credential.refused(lease, patient), false);
    rig.secret("token", "first");
    await rig.clock.pass(1000);
    assert.equal(await carried(credential), "Bearer first");
    assert.deepEqual(rig.kinds(), ["read", "failed", "read"]);
  });

  test("is found in answers, and so is the one before it", async () => {
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

describe("a secret file is refused, by name and without its content, where", () => {
  const CONTENTS: Readonly<Record<string, readonly [string | Uint8Array, RegExp]>> = {
    "it is empty": ["", /: it is empty$/],
    "it is a newline": ["\n", /: it is empty$/],
    "it has two lines": ["CANARY\nCANARY\n", /: it has a character that a header cannot carry$/],
    "it has a header of its own": ["CANARY\r\nx-other: 1", /a header cannot carry$/],
    "it is not printable": [Buffer.from("CANARY\u0007"), /a header cannot carry$/],
    "it is not ASCII": ["CANARYé", /a header cannot carry$/],
    "it is too long for a header": ["CANARY".repeat(3000), /: it is 18000 characters, at most 16384 fit/],
    "it is over 64 KiB": [
      "CANARY".repeat(11_000),
      /: it is 66000 bytes, at most 65536 are allowed; give the path of the file that is meant$/,
    ],
  };
  for (const [name, [content, message]] of Object.entries(CONTENTS)) {
    test(name, () => refuses(rig.secret("token", content), message));
  }
  test("others may read it", () =>
    refuses(
      rig.secret("token", "CANARY", 0o644),
      /: it has the mode 0644, others may have read it; it should be 0600, 0640 or 0440$/,
    ));
  test("it is a link to nothing", () => {
    symlinkSync(join(rig.folder, "target"), join(rig.folder, "token"));
    return refuses(join(rig.folder, "token"), /: it cannot be read \(ENOENT\): it is a link to nothing; put/);
  });
  test("it is a folder", () => refuses(rig.folder, /: it is a folder; give the path of the file in it$/));
  test("it is not there", () =>
    refuses(
      join(rig.folder, "CANARY-less"),
      /: it cannot be read \(ENOENT\); put the file there, or correct the path$/,
      /(?!)/,
    ));
  test("its folder is a file", () =>
    refuses(
      join(rig.secret("token", "CANARY"), "deeper"),
      /: it cannot be read \(ENOTDIR\); look at the path and at the disk that it is on$/,
    ));

  async function refuses(file: string, message: RegExp, canary = /CANARY/): Promise<void> {
    await assert.rejects(plain(file).lease(patient), (error: Error) => {
      assert.ok(error instanceof Unreachable);
      assert.ok(error.message.startsWith(`the secret file ${file} cannot be used: `), error.message);
      assert.match(error.message, message);
      assert.doesNotMatch(`${error.stack}`, canary);
      return true;
    });
  }
});

describe("a service account's token", () => {
  const kubernetes = (file: string) =>
    rig.create({ kind: "vault", auth: "kubernetes", role: "kleidi", file });

  /** As the kubelet lays it out; `next` replaces it as the kubelet does. */
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

  test("is refused where others may write it", async () => {
    await assert.rejects(kubernetes(project("jwt", 0o664)).lease(patient), {
      name: "Unreachable",
      message: /: it has the mode 0664, others may write it; it should be 0644 or less$/,
    });
  });

  test("does not block if a pipe is in its place", async () => {
    const pipe = join(rig.folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    await assert.rejects(kubernetes(pipe).lease(patient), {
      message: /: it is a named pipe; give the path of a regular file$/,
    });
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

  test("is used if its look-up is forbidden", async () => {
    rig.answer = () => json({}, 403);
    const credential = vault(rig.secret("token", "hvs.file"));
    await carried(credential);
    await rig.clock.pass(3_600_000);
    assert.equal(await carried(credential), "hvs.file");
    assert.deepEqual(rig.paths(), [LOOKUP]);
    assert.deepEqual(rig.kinds(), ["read"]);
  });

  test("that the host may not renew is looked up again: Vault Agent may have renewed it", async () => {
    rig.answer = ({ path }) => (path === LOOKUP ? life(60) : json({}, 403));
    const credential = vault(rig.secret("token", "hvs.file"));
    await carried(credential);
    await rig.clock.pass(200_000);
    assert.equal(await carried(credential), "hvs.file");
    assert.deepEqual(rig.paths(), [LOOKUP, RENEW, ...Array(5).fill(LOOKUP)]);
    assert.equal(rig.kinds().filter((kind) => kind === "failed").length, 1);
  });

  test("is looked up again while the server is away, with growing pauses", async () => {
    rig.answer = down;
    const credential = vault(rig.secret("token", "hvs.file"));
    await carried(credential);
    await rig.clock.pass(60_000);
    const { length } = rig.requests;
    assert.ok(length >= 5 && length <= 8, `${length} look-ups`);
    rig.answer = ({ path }) => (path === LOOKUP ? life(60) : auth("ignored", 60));
    await rig.clock.pass(90_000);
    assert.equal(rig.kinds().at(-1), "renewed");
    assert.equal(await carried(credential), "hvs.file");
  });

  test("that cannot be renewed is used until it expires, and then the next one", async () => {
    rig.answer = () => life(60, false);
    const credential = vault(rig.secret("token", "hvs.file"));
    await carried(credential);
    await rig.clock.pass(58_999);
    assert.equal(await carried(credential), "hvs.file");
    await rig.clock.pass(1);
    await assert.rejects(credential.lease(patient), {
      name: "Unreachable",
      message: `the token in ${rig.folder}/token has expired: put a new one there`,
    });
    assert.deepEqual(rig.paths(), [LOOKUP]);
    replace("hvs.next");
    assert.equal(await carried(credential), "hvs.next");
  });

  test("that is replaced is not renewed any longer; the next one is", async () => {
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

  test("is not renewed while its file is gone, and again when it is back", async () => {
    rig.answer = ({ path }) => (path === LOOKUP ? life(60) : auth("ignored", 60));
    const file = rig.secret("token", "hvs.file");
    const credential = vault(file);
    await carried(credential);
    rmSync(file);
    await rig.clock.pass(1000);
    await assert.rejects(credential.lease(patient), {
      name: "Unreachable",
      message: `the secret file ${file} cannot be used: it cannot be read (ENOENT); put the file there, or correct the path`,
    });
    await rig.clock.pass(600_000);
    assert.deepEqual(rig.paths(), [LOOKUP]);
    rig.secret("token", "hvs.file");
    await carried(credential);
    await rig.clock.pass(40_000);
    assert.deepEqual(rig.paths(), [LOOKUP, LOOKUP, RENEW]);
  });

  test("is neither revoked nor renewed when the host ends", async () => {
    rig.answer = () => life(60);
    const credential = vault(rig.secret("token", "hvs.file"));
    await carried(credential);
    await settled();
    await credential.close();
    assert.equal(rig.clock.timers, 0);
    assert.deepEqual(rig.paths(), [LOOKUP]);
    await assert.rejects(credential.lease(patient), { message: "the host is stopping" });
  });
});
