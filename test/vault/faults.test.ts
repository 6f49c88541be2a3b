/** End to end: a host while its OpenBao or the connection is faulty: nothing hangs, no wrong result, and recovery afterwards. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import type { Fixture } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { Setup } from "../support/openbao-setup.ts";
import { saying } from "../support/sentences.ts";
import { untilWell } from "../support/until-well.ts";
import { Front } from "../support/vault-front.ts";
import { vaultNode } from "../support/vault-node.ts";

const plaintext = Uint8Array.from(Buffer.from("a DEK seed that nobody may hear!"));
/** Less than the three seconds that the API server waits. */
const PATIENCE_MS = 2_900;
const [DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED] = [4, 13, 14, 16];

type Sealed = Awaited<ReturnType<KmsClient["encrypt"]>>;

/** Asserts the host's own message under one of these codes, in time: the client's deadline would produce another message. */
async function givesUp(work: Promise<unknown>, ...codes: number[]): Promise<void> {
  await assert.rejects(work, saying(...codes));
}

async function opens(client: KmsClient, sealed: Sealed): Promise<void> {
  const { plaintext: back } = await client.decrypt(sealed, PATIENCE_MS);
  assert.deepEqual(new Uint8Array(back), plaintext);
}

describe("an OpenBao with files and TLS", () => {
  let bao: OpenBao;
  let setup: Setup;
  let fixture: Fixture;
  let client: KmsClient;
  let sealed: Sealed;

  before(async () => {
    bao = await OpenBao.tls();
    setup = new Setup(bao);
    await setup.kek();
    fixture = vaultNode({
      origin: bao.url,
      token: await setup.token({ policies: ["kek"] }),
      net: { tls: { ca: bao.authority.file } },
    });
    client = new KmsClient(fixture.socket);
    await fixture.serve();
    sealed = await client.encrypt({ plaintext });
  });

  beforeEach(() => untilWell(() => opens(client, sealed)));

  after(async () => {
    client.close();
    await fixture.close();
    await bao.stop();
  });

  test("sealed: calls are UNAVAILABLE and Status fails; after the unseal, calls succeed without a restart", async () => {
    await bao.seal();
    await givesUp(client.decrypt(sealed, PATIENCE_MS), UNAVAILABLE);
    await untilWell(() => givesUp(client.status(), UNAVAILABLE));
    assert.match(fixture.readLog(), /sealed/);
    await bao.unseal();
    await untilWell(() => opens(client, sealed));
    await untilWell(() => client.status());
  });

  test("killed while 16 calls are in flight: each is answered or UNAVAILABLE; restarted and unsealed, it serves again", async () => {
    const calls = Array.from({ length: 16 }, () => client.decrypt(sealed, PATIENCE_MS));
    await Promise.race(calls);
    await bao.kill();
    for (const each of await Promise.allSettled(calls)) {
      if (each.status === "fulfilled") assert.deepEqual(new Uint8Array(each.value.plaintext), plaintext);
      else await givesUp(Promise.reject(each.reason), UNAVAILABLE);
    }
    await givesUp(client.decrypt(sealed, PATIENCE_MS), UNAVAILABLE);
    await bao.start();
    await bao.unseal();
    await untilWell(() => opens(client, sealed));
    await untilWell(() => client.status());
  });

  test("stopped for four seconds with its connections open: each call ends in time, and calls succeed when it continues", async () => {
    await bao.hang();
    const goesOn = sleep(4_000).then(() => bao.signal("SIGCONT"));
    const calls = Array.from({ length: 4 }, () => client.decrypt(sealed, PATIENCE_MS));
    await Promise.all(calls.map((each) => givesUp(each, DEADLINE_EXCEEDED, UNAVAILABLE)));
    await goesOn;
    await untilWell(() => opens(client, sealed));
  });
});

describe("an OpenBao behind a misbehaving proxy", () => {
  let bao: OpenBao;
  let setup: Setup;
  let front: Front;
  let fixture: Fixture;
  let client: KmsClient;
  let sealed: Sealed;

  before(async () => {
    bao = await OpenBao.dev();
    setup = new Setup(bao);
    await setup.kek();
    front = await Front.start(bao.url);
    fixture = vaultNode({ origin: front.origin, token: await setup.token({ policies: ["kek"] }) });
    client = new KmsClient(fixture.socket);
    await fixture.serve();
    sealed = await client.encrypt({ plaintext });
  });

  beforeEach(async () => {
    front.interfere = undefined;
    await untilWell(() => opens(client, sealed));
    await untilWell(() => client.status());
  });

  after(async () => {
    client.close();
    await fixture.close();
    await front.stop();
    await bao.stop();
  });

  for (const seconds of [2.5, 3.5]) {
    test(`${seconds} seconds late: the call ends before the API server gives up, and the next one succeeds`, async () => {
      front.interfere = async () => {
        await sleep(seconds * 1000);
        return false;
      };
      await givesUp(client.decrypt(sealed, PATIENCE_MS), DEADLINE_EXCEEDED, UNAVAILABLE);
      front.interfere = undefined;
      await untilWell(() => opens(client, sealed));
    });
  }

  test("half-open connections without answers fail only their own calls", async () => {
    front.interfere = () => true;
    const calls = Array.from({ length: 8 }, () => client.decrypt(sealed, PATIENCE_MS));
    await Promise.all(calls.map((each) => givesUp(each, DEADLINE_EXCEEDED, UNAVAILABLE)));
    front.interfere = undefined;
    await untilWell(() => opens(client, sealed));
  });

  test("connections that are cut between calls affect no call", async () => {
    for (let i = 0; i < 5; i++) {
      await opens(client, sealed);
      front.cut();
      await sleep(20);
      await opens(client, sealed);
    }
  });

  test("a redirect to another host is not followed, and the other host receives nothing", async () => {
    let heard = 0;
    const other = createServer((_, response) => {
      heard += 1;
      response.end("{}");
    });
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    try {
      front.interfere = (request, response) => {
        response.writeHead(307, { location: `http://127.0.0.1:${port}${request.url}` }).end();
        return true;
      };
      await givesUp(client.decrypt(sealed, PATIENCE_MS), UNAVAILABLE);
      assert.equal(heard, 0);
    } finally {
      await new Promise((resolve) => other.close(resolve));
    }
  });

  test("an answer of 100 MB is cut off, each time that the host asks again", async () => {
    let most = 0;
    front.interfere = async (_, response) => {
      let sent = 0;
      response.writeHead(200, { "content-type": "application/json" });
      const piece = Buffer.alloc(1 << 20, 0x20);
      for (let i = 0; i < 100 && !response.destroyed; i++) {
        if (!response.write(piece))
          await Promise.race([
            new Promise((resolve) => response.once("drain", resolve)),
            new Promise((resolve) => response.once("close", resolve)),
          ]);
        sent += piece.length;
        most = Math.max(most, sent);
      }
      response.end();
      return true;
    };
    await givesUp(client.decrypt(sealed, PATIENCE_MS), UNAVAILABLE, INTERNAL);
    assert.ok(most < 50 << 20, `${most} bytes were accepted`);
  });

  for (const [what, type, body] of [
    ["no JSON", "application/json", '{"data":{"plaintext":'],
    ["a page", "text/html", "<html><body>Welcome</body></html>"],
    ["nothing", "application/json", ""],
    ["another shape", "application/json", '{"data":[1,2,3]}'],
    ["a plaintext that is not base64", "application/json", '{"data":{"plaintext":"§§§§"}}'],
  ] as const) {
    test(`an answer that is ${what} is the server's fault, not a plaintext`, async () => {
      front.interfere = (_, response) => {
        response.writeHead(200, { "content-type": type }).end(body);
        return true;
      };
      await givesUp(client.decrypt(sealed, PATIENCE_MS), INTERNAL);
    });
  }

  test("Encrypt reads back its ciphertext, and fails if the plaintext differs", async () => {
    front.interfere = (request, response) => {
      if (!request.url?.includes("/decrypt/")) return false;
      const data = { plaintext: Buffer.from("another DEK seed, of 32 bytes too").toString("base64") };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ data }));
      return true;
    };
    await givesUp(client.encrypt({ plaintext }), INTERNAL);
  });

  test("a token that the server sends back reaches neither the guest nor the log", async () => {
    const token = readFileSync(join(fixture.folder, "token"), "utf8").trim();
    front.interfere = (request, response) => {
      const echo = String(request.headers["x-vault-token"]);
      assert.equal(echo, token);
      response
        .writeHead(400, { "content-type": "application/json" })
        .end(JSON.stringify({ errors: [`bad ${echo}`] }));
      return true;
    };
    await givesUp(client.decrypt(sealed, PATIENCE_MS), UNAVAILABLE, INTERNAL);
    assert.ok(!fixture.readLog().includes(token));
  });

  test("calls over the server's rate-limit quota are UNAVAILABLE, and succeed when it is over", async () => {
    await setup.rateLimit("all", { path: "transit/", rate: 1, interval: "1s" });
    try {
      const calls = await Promise.allSettled(
        Array.from({ length: 8 }, () => client.decrypt(sealed, PATIENCE_MS)),
      );
      const refused = calls.flatMap((each) => (each.status === "rejected" ? [each.reason] : []));
      assert.ok(refused.length > 0);
      for (const each of refused) await givesUp(Promise.reject(each), UNAVAILABLE);
      assert.match(fixture.readLog(), /a quota is exceeded \(status 429\)/);
    } finally {
      await setup.endRateLimit("all");
    }
  });

  test("calls with a token without the policy are UNAUTHENTICATED, and the log has the missing stanza", async () => {
    const file = join(fixture.folder, "token");
    const good = readFileSync(file, "utf8");
    await setup.policy("reader", { "transit/keys/kek": ["read"] });
    writeFileSync(file, await setup.token({ policies: ["reader"] }), { mode: 0o600 });
    try {
      await untilWell(() => givesUp(client.decrypt(sealed, PATIENCE_MS), UNAUTHENTICATED));
      await untilWell(async () =>
        assert.match(fixture.readLog(), /path \\"transit\/decrypt\/kek\\"[^\n]*update/),
      );
    } finally {
      writeFileSync(file, good, { mode: 0o600 });
    }
  });

  test("calls succeed without a restart when a revoked token is replaced in its file", async () => {
    const file = join(fixture.folder, "token");
    await setup.revoke(readFileSync(file, "utf8").trim());
    await untilWell(() => givesUp(client.decrypt(sealed, PATIENCE_MS), UNAUTHENTICATED));
    writeFileSync(file, await setup.token({ policies: ["kek"] }), { mode: 0o600 });
    await untilWell(() => opens(client, sealed));
    await untilWell(() => client.status());
  });
});
