/** The vault provider with two nodes of OpenBao that change roles: a failover is a reason to retry later, and calls then continue. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { failureOf, Guest, type Server } from "../../providers/vault/harness/guest.ts";
import { OpenBao } from "../support/openbao.ts";
import { Setup } from "../support/openbao-setup.ts";
import { SyncHttp } from "../support/sync-http.ts";

const PLAINTEXT = new Uint8Array(32).fill(5);

let active: OpenBao;
let standby: OpenBao;
let http: SyncHttp;
let guest: Guest;

before(async () => {
  http = new SyncHttp();
  guest = await Guest.load("vault");
  ({ active, standby } = await OpenBao.pair());
  const setup = new Setup(active);
  await setup.transit();
  await setup.key("kek");
});

after(async () => {
  await http?.close();
  await standby?.stop();
  await active?.stop();
});

function at(node: OpenBao): Server {
  return ({ method, path, headers: own, body }) => {
    const headers = Object.fromEntries(own.map(({ name, value }) => [name, value]));
    headers["x-vault-token"] = active.rootToken;
    const ca = node.authority.pem;
    const response = http.request({ method, url: `${node.url}${path}`, headers, body, ca });
    return {
      ...response,
      headers: Object.entries(response.headers).map(([name, value]) => ({ name, value })),
    };
  };
}

test("a standby serves like the active node; after a failover both nodes decrypt the same ciphertext", async () => {
  const { version } = guest.status({ key: "kek" }, at(standby));
  assert.match(version, /^1\./);
  const { ciphertext } = guest.encrypt({ key: "kek", version, plaintext: PLAINTEXT }, at(standby));
  const decrypt = (node: OpenBao) => guest.decrypt({ key: "kek", version, ciphertext }, at(node));
  assert.deepEqual(decrypt(active).plaintext, PLAINTEXT);

  await active.stepDown();
  const [code, said] = failureOf(decrypt(active));
  assert.equal(code, 3);
  assert.match(said ?? "", /no node of the cluster is active/);
  const [other, otherSaid] = failureOf(decrypt(standby));
  assert.equal(other, 3);
  assert.match(otherSaid ?? "", /a standby without forwarding, .* if this lasts longer than a failover/);

  for (const node of [active, standby]) {
    let reply = decrypt(node);
    for (let left = 600; left > 0 && reply.failure?.code === 3; left--) {
      await sleep(50);
      reply = decrypt(node);
    }
    assert.deepEqual([reply.plaintext, failureOf(reply)], [PLAINTEXT, []]);
  }
});
