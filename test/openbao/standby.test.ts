/** The answers of a standby, which a provider with its address has to handle. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { OpenBao } from "../support/openbao.ts";
import { Setup } from "../support/openbao-setup.ts";

const HELLO = { plaintext: Buffer.from("hello").toString("base64") };

describe("a standby of OpenBao", () => {
  let active: OpenBao;
  let standby: OpenBao;

  before(async () => {
    ({ active, standby } = await OpenBao.pair());
    const setup = new Setup(active);
    await setup.transit();
    await setup.key("kek");
  });
  after(async () => {
    await standby?.stop();
    await active?.stop();
  });

  test("forwards a call to the active node, or redirects with 307 a client that refuses forwarding", async () => {
    assert.equal((await standby.api("GET", "sys/health")).status, 429);
    const { data } = await standby.must("POST", "transit/encrypt/kek", HELLO);
    const opened = await active.must("POST", "transit/decrypt/kek", { ciphertext: data?.ciphertext });
    assert.equal(opened.data?.plaintext, HELLO.plaintext);

    const headers = { "x-vault-no-request-forwarding": "1" };
    const ask = { token: active.rootToken, headers };
    const sent = await standby.api("POST", "transit/encrypt/kek", HELLO, ask);
    assert.equal(sent.status, 307);
    assert.equal(sent.headers.location, `${active.url}/v1/transit/encrypt/kek`);
    assert.equal(sent.text, "");
  });

  test("still refers to the node that stepped down, which answers 500 while no node is active", async () => {
    await active.stepDown();
    const answer = await active.api("POST", "transit/encrypt/kek", HELLO);
    const nobody = ["local node not active but active cluster node not found"];
    assert.deepEqual([answer.status, answer.body.errors], [500, nobody]);
    // The standby learns of it some seconds later.
    const { status, headers } = await standby.api("POST", "transit/encrypt/kek", HELLO);
    assert.deepEqual([status, headers.location], [307, `${active.url}/v1/transit/encrypt/kek`]);
  });
});
