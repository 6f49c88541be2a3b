/** A host whose OpenBao goes away for a moment: calls wait for it inside their deadlines, and a dead one gets few requests. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
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
const API_SERVER_WAITS_MS = 3_000;
const DEADLINE_EXCEEDED = 4;
const UNAVAILABLE = 14;

type Sealed = Awaited<ReturnType<KmsClient["encrypt"]>>;

/** A call: its start and its end, on the clock of performance.now(), and the error that it failed with. */
interface Call {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly failure?: unknown;
}

/** Callers that call all the time until they are stopped. */
class Callers {
  readonly #calls: Call[] = [];
  readonly #loops: Promise<void>[];
  #going = true;

  constructor(count: number, call: () => Promise<unknown>) {
    this.#loops = Array.from({ length: count }, () => this.#loop(call));
  }

  async #loop(call: () => Promise<unknown>): Promise<void> {
    while (this.#going) {
      const startedAt = performance.now();
      const failure = await call().then(
        () => undefined,
        (error) => error,
      );
      this.#calls.push({ startedAt, endedAt: performance.now(), failure });
      await sleep(20);
    }
  }

  async stop(): Promise<readonly Call[]> {
    this.#going = false;
    await Promise.all(this.#loops);
    return this.#calls;
  }
}

describe("an OpenBao that is killed and restarted", () => {
  let bao: OpenBao;
  let fixture: Fixture;
  let client: KmsClient;
  let sealed: Sealed;

  before(async () => {
    bao = await OpenBao.tls();
    const setup = new Setup(bao);
    await setup.kek();
    // Tokens of two seconds: each outage meets a renewal or a login.
    const { body } = await setup.appRole({ policies: ["kek"], ttl: "2s" });
    fixture = vaultNode({
      origin: bao.url,
      token: String(body.secret_id),
      net: {
        tls: { ca: bao.authority.file },
        credential: { vault: { auth: "approle", roleId: String(body.role_id), secretId: { file: "token" } } },
      },
    });
    client = new KmsClient(fixture.socket);
    await fixture.serve();
    sealed = await client.encrypt({ plaintext });
  });

  after(async () => {
    client.close();
    await fixture.close();
    await bao.stop();
  });

  for (const seconds of [0.2, 1]) {
    test(`for ${seconds} s: no Decrypt and no Encrypt fails that it could still answer in time, and Status never does`, async () => {
      const decrypts = new Callers(4, () => client.decrypt(sealed, API_SERVER_WAITS_MS));
      const encrypts = new Callers(1, () => client.encrypt({ plaintext }, API_SERVER_WAITS_MS));
      const statuses = new Callers(1, () => client.status());
      await sleep(200);
      await bao.kill();
      const killedAt = performance.now();
      await sleep(seconds * 1000);
      await bao.start();
      await bao.unseal();
      const servedAt = performance.now();
      await untilWell(() => client.decrypt(sealed, API_SERVER_WAITS_MS));
      const calls = [...(await decrypts.stop()), ...(await encrypts.stop())];
      const badStatus = (await statuses.stop()).filter(({ failure }) => failure !== undefined);
      const failed = calls.filter(({ failure }) => failure !== undefined);
      for (const { failure } of failed) saying(UNAVAILABLE)(failure);
      // The host repeats for 2.3 s, and needs time for the login and the request.
      const lost = failed.filter(({ startedAt }) => startedAt > servedAt - 1_000);
      assert.deepEqual(lost, [], `served again after ${servedAt - killedAt} ms`);
      assert.ok(calls.some(({ startedAt, endedAt }) => startedAt < servedAt && endedAt > killedAt));
      // A slow machine can take longer to start OpenBao than a key is tolerated.
      if (servedAt - killedAt < 2_500) assert.deepEqual(badStatus, []);
    });
  }
});

test("64 callers of a KMS that is dead for four seconds make few connections to it", async () => {
  const bao = await OpenBao.dev();
  const setup = new Setup(bao);
  await setup.kek();
  const front = await Front.start(bao.url);
  const fixture = vaultNode({ origin: front.origin, token: await setup.token({ policies: ["kek"] }) });
  const client = new KmsClient(fixture.socket);
  let tries = 0;
  const dead = createServer((socket: Socket) => {
    tries += 1;
    socket.resetAndDestroy();
  });
  try {
    await fixture.serve();
    const sealed = await client.encrypt({ plaintext });
    const { port } = front;
    await front.stop();
    await once(dead.listen(port, "127.0.0.1"), "listening");
    assert.equal((dead.address() as AddressInfo).port, port);
    const callers = new Callers(64, () => client.decrypt(sealed, API_SERVER_WAITS_MS));
    await sleep(4_000);
    const calls = await callers.stop();
    // On a busy machine the calls' own time ends first.
    for (const { failure } of calls) saying(UNAVAILABLE, DEADLINE_EXCEEDED)(failure);
    // At most 64 calls are in flight when the first one fails, and a lost connection is opened once more. Then 20 tries a second, in
    // 6.4 s, and the probes.
    assert.ok(tries <= 64 * 2 + 20 * 2 * 7 + 40, `${tries} connections`);
    assert.ok(calls.length >= 64);
    await once(dead.close(), "close");
    const back = await Front.start(bao.url, { port });
    await untilWell(() => client.decrypt(sealed, API_SERVER_WAITS_MS));
    await back.stop();
  } finally {
    client.close();
    dead.close();
    await fixture.close();
    await bao.stop();
  }
});
