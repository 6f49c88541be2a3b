/** Certificates of a server and of the host, and a revocation list, that end soon. Everything works, and everything that looks at them warns. */
import assert from "node:assert/strict";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ask, freePort } from "../support/admin.ts";
import { Authority } from "../support/certificates.ts";
import { Fixture } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { Setup } from "../support/openbao-setup.ts";
import { samplesOf, total } from "../support/promtool.ts";
import { Front } from "../support/vault-front.ts";
import { vaultNode } from "../support/vault-node.ts";

const DAY_S = 86_400;
/** 12 hours more, so that the whole days that are left stay the same while the test runs. */
const DAYS = { server: 9.5, client: 5.5, list: 3.5 };

const folder = new Fixture();
const ca = new Authority(join(folder.folder, "ca"));
let bao: OpenBao;
let front: Front;
let fixture: Fixture;
let admin: string;
let crl: string;

before(async () => {
  bao = await OpenBao.dev();
  const setup = new Setup(bao);
  await setup.kek();
  const server = ca.server("server", { endsInDays: DAYS.server });
  const pem = { cert: readFileSync(server.cert, "utf8"), key: readFileSync(server.key, "utf8"), ca: ca.pem };
  front = await Front.start(bao.url, { tls: pem });
  admin = `127.0.0.1:${await freePort()}`;
  crl = join(folder.folder, "crl.pem");
  copyFileSync(ca.revocations("list", { endsInDays: DAYS.list }), crl);
  const client = ca.client("node-1", { endsInDays: DAYS.client });
  fixture = vaultNode({
    origin: front.origin,
    token: await setup.token({ policies: ["kek"], ttl: "1h" }),
    net: { tls: { ca: ca.file, crl, certificate: client.cert, key: client.key } },
    rest: { admin: { listen: admin } },
  });
});

after(async () => {
  await fixture?.close();
  await front?.stop();
  await bao?.stop();
  await folder.close();
});

describe("a certificate or a revocation list that ends within 14 days", () => {
  test("of the files is a warning of check, with the exit code 0", () => {
    const { status, stdout } = fixture.run("check");
    assert.equal(status, 0, stdout);
    assert.match(
      stdout,
      /^warn net vault certificate: that of the host, node-1, .*; it ends in 5 days\n {5}\S/m,
    );
    assert.match(
      stdout,
      /^warn net vault revocation lists: list 1 of tls\.crl .*; it ends in 3 days\n {5}\S/m,
    );
    assert.equal(JSON.parse(fixture.run("check", "--json").stdout).warnings, 2);
  });

  test("of the server, or of the files, is a warning of doctor, which goes on to the keys", async () => {
    // Beside this process, which is the server.
    const { stdout } = await fixture.runAside("doctor");
    assert.match(
      stdout,
      /^warn net vault connection: .* its certificate: server, by kleidi test CA, .*; it ends in 9 days\n {5}\S/m,
    );
    assert.match(stdout, /^warn net vault certificate: .*; it ends in 5 days$/m);
    assert.match(stdout, /^warn net vault revocation lists: .*; it ends in 3 days$/m);
    assert.match(stdout, /^ok {3}net vault key kek: /m);
  });

  test("is a metric of a host that serves, and a warning of its log", async () => {
    await fixture.serve();
    const samples = samplesOf((await ask(admin, "/metrics")).text);
    for (const [kind, days] of Object.entries({
      "server-certificate": DAYS.server,
      "client-certificate": DAYS.client,
      "revocation-list": DAYS.list,
    })) {
      const labels = { kind, name: "vault" };
      const left = total(samples, "kleidi_expiry_timestamp_seconds", labels) - Date.now() / 1000;
      assert.ok(left > (days - 0.5) * DAY_S && left <= days * DAY_S, `${kind}: ${left} s`);
      assert.equal(total(samples, "kleidi_expiry_warning_seconds", labels), 14 * DAY_S);
      const said = fixture
        .readLog()
        .split("\n")
        .filter((line) => line.includes(`the ${kind} of vault ends in`));
      assert.equal(said.length, 1, "once, and not at each connection");
    }
  });
});

test("a revocation list that has expired is a failure of check and doctor, with the day and the next step", async () => {
  copyFileSync(ca.revocations("expired", { expired: true }), crl);
  const { status, stdout } = fixture.run("check");
  assert.equal(status, 1, stdout);
  const line =
    /^FAIL net vault revocation lists: list 1 of tls\.crl expired on \d{4}-\d\d-\d\d\n {5}Put the newest list/m;
  assert.match(stdout, line);
  const examined = await fixture.runAside("doctor").catch(({ stdout }) => ({ stdout: String(stdout) }));
  assert.match(examined.stdout, line);
  assert.match(examined.stdout, /^FAIL net vault connection: .*a revocation list in tls\.crl has expired/m);
});
