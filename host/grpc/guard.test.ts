import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { deriveKeyId } from "../kms/key-id.ts";
import { LIMITS } from "./limits.ts";
import { KmsServer } from "./server.ts";

const HEADERS = {
  ":method": "POST",
  ":path": "/v2.KeyManagementService/Status",
  "content-type": "application/grpc",
  te: "trailers",
};
const EMPTY = Buffer.alloc(5);

async function start(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-guard-"));
  const path = join(folder, "kms.sock");
  const keyId = await deriveKeyId("k", "1");
  const never = new Promise<never>(() => {});
  const service = { status: () => keyId, encrypt: () => never, decrypt: () => never };
  const reasons: string[] = [];
  const unseen = new EventEmitter();
  const server = new KmsServer({
    service,
    guardEvents: {
      onClosed: (reason) => reasons.push(reason),
      onUnseenRequest: () => unseen.emit("request"),
    },
  });
  await server.listen({ socket: path, mode: 0o600 });
  const open: { destroy(): void }[] = [];
  t.after(async () => {
    for (const one of open) one.destroy();
    await server.stop(100);
    rmSync(folder, { recursive: true });
  });
  const count = async (connections: number) => {
    while (server.sample().connections !== connections) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    reasons,
    unseen,
    sample: () => server.sample(),
    count,
    /** Opens a connection that sends nothing; resolves when the host has accepted it. */
    async silent(): Promise<Socket> {
      const before = server.sample().connections;
      const socket = connect(path);
      socket.on("error", () => {});
      open.push(socket.resume());
      if (before < LIMITS.connections) await count(before + 1);
      return socket;
    },
    async session(): Promise<ClientHttp2Session> {
      const session = connectHttp2("http://localhost", { createConnection: () => connect(path) });
      session.on("error", () => {});
      open.push(session);
      await once(session, "remoteSettings");
      return session;
    },
  };
}

// Each event occurs at once, or never.
const LIMIT = { timeout: 60_000 };

/** Calls Status; resolves with its reply. */
async function ask(session: ClientHttp2Session): Promise<void> {
  const stream = session.request(HEADERS);
  stream.resume().end(EMPTY);
  const [headers] = await once(stream, "response");
  assert.equal(headers[":status"], 200);
  if (!stream.closed) await once(stream, "close");
}

test("a new connection replaces the oldest silent one, and not one that got a reply", LIMIT, async (t) => {
  const { silent, session, reasons, sample } = await start(t);
  const honest = await session();
  await ask(honest);
  const oldest = await silent();
  const closed = once(oldest, "close");
  let younger: Socket | undefined;
  while (sample().connections < LIMITS.connections) younger = await silent();
  const late = await session();
  await ask(late);
  await closed;
  await ask(honest);
  assert.deepEqual([reasons, younger?.destroyed, honest.destroyed], [["replaced"], false, false]);
});

/** Opens connections that got a reply, in that order. */
async function answered(
  session: () => Promise<ClientHttp2Session>,
  count: number,
): Promise<ClientHttp2Session[]> {
  const sessions: ClientHttp2Session[] = [];
  while (sessions.length < count) {
    const one = await session();
    await ask(one);
    sessions.push(one);
  }
  return sessions;
}

describe("when every connection has received a reply,", () => {
  test(
    "the connections with the earliest replies stay, and a new one replaces the first of the others",
    LIMIT,
    async (t) => {
      const { session, reasons } = await start(t);
      const held = await answered(session, LIMITS.connections);
      const first = held[LIMITS.kept];
      assert.ok(first);
      const closed = once(first, "close");
      await ask(await session());
      await closed;
      assert.deepEqual(reasons, ["replaced"]);
      assert.deepEqual(
        held.filter(({ destroyed }) => destroyed),
        [first],
      );
    },
  );

  test(
    "a new client is served for as long as the other new ones, and until the end of its call",
    LIMIT,
    async (t) => {
      const { session } = await start(t);
      await answered(session, LIMITS.connections);
      const [honest] = await answered(session, 1);
      assert.ok(honest);
      const others = LIMITS.connections - LIMITS.kept - 1;
      await answered(session, others);
      assert.equal(honest.destroyed, false);
      const call = honest.request({ ...HEADERS, ":path": ENCRYPT });
      call.on("error", () => {}).end(EMPTY);
      await ask(honest);
      await answered(session, 20);
      assert.equal(honest.destroyed, false);
      // Its call has ended: it is replaced next.
      call.close();
      await once(call, "close");
      await ask(honest);
      await Promise.all([once(honest, "close"), answered(session, 1)]);
    },
  );

  test(
    "silent connections replace each other, and a new client has time to get a reply",
    LIMIT,
    async (t) => {
      const { session, silent, count, reasons } = await start(t);
      const kept = await answered(session, LIMITS.connections - 1);
      const honest = await session();
      await count(LIMITS.connections);
      const silentOnes: Socket[] = [];
      while (silentOnes.length < LIMITS.unanswered - 1) silentOnes.push(await silent());
      while (reasons.length < LIMITS.unanswered - 1) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(honest.destroyed, false);
      await ask(honest);
      const closed = silentOnes.map((socket) => once(socket, "close"));
      for (let i = 0; i < LIMITS.unanswered + 1; i++) await silent();
      await Promise.all(closed.slice(0, 1));
      assert.equal(honest.destroyed, false);
      assert.deepEqual(
        kept.slice(0, LIMITS.kept).filter(({ destroyed }) => destroyed),
        [],
      );
    },
  );
});

test(
  "the bytes of unfinished requests are limited over all connections, and the oldest request is closed first",
  LIMIT,
  async (t) => {
    const { session, reasons, sample } = await start(t);
    const honest = await session();
    await ask(honest);
    let most = 0;
    const begun = Buffer.alloc(60_000);
    begun.writeUInt32BE(65_000, 1);
    while (reasons.length === 0) {
      const attacker = await session();
      const streams = Array.from({ length: 30 }, () => attacker.request(HEADERS));
      for (const stream of streams) stream.on("error", () => {}).write(begun);
      await Promise.race([
        once(attacker, "close"),
        (async () => {
          const before = sample().arrivingBytes;
          while (sample().arrivingBytes < before + 1_500_000 && reasons.length === 0)
            await new Promise((resolve) => setImmediate(resolve));
        })(),
      ]);
      most = Math.max(most, sample().arrivingBytes);
    }
    assert.equal(reasons[0], "bytes");
    assert.ok(most <= LIMITS.arrivingBytes, `${most} bytes`);
    await ask(honest);
  },
);

test("the number of requests is limited over all connections", LIMIT, async (t) => {
  const { session, reasons, sample } = await start(t);
  const honest = await session();
  await ask(honest);
  let most = 0;
  while (reasons.length === 0) {
    const attacker = await session();
    for (let i = 0; i < LIMITS.streamsAtFirst; i++) attacker.request(HEADERS).on("error", () => {});
    const before = sample().requests;
    while (sample().requests < before + LIMITS.streamsAtFirst && reasons.length === 0) {
      most = Math.max(most, sample().requests);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  assert.equal(reasons[0], "streams");
  assert.ok(most <= LIMITS.streams, `${most} requests`);
  await ask(honest);
});

/** Sends four requests on each connection; resolves when the condition is true. */
async function fill(sessions: ClientHttp2Session[], path: string, until: () => boolean): Promise<void> {
  for (const session of sessions)
    for (let i = 0; i < 4; i++)
      session
        .request({ ...HEADERS, ":path": path })
        .on("error", () => {})
        .end(EMPTY);
  while (!until()) await new Promise((resolve) => setImmediate(resolve));
}

const ENCRYPT = "/v2.KeyManagementService/Encrypt";

for (const [what, path, window] of [
  ["unread replies", HEADERS[":path"], 0],
  ["requests on connections without a reply", ENCRYPT, undefined],
] as const) {
  test(`when ${what} reach the limit of requests, a busy client keeps its connection`, LIMIT, async (t) => {
    const { session, reasons, sample } = await start(t);
    const honest = await session();
    await ask(honest);
    const attackers: ClientHttp2Session[] = [];
    while (sample().connections < LIMITS.connections) {
      const attacker = await session();
      attackers.push(attacker);
      if (window === undefined) continue;
      await ask(attacker);
      attacker.settings({ initialWindowSize: window });
      await once(attacker, "localSettings");
    }
    const held = attackers.length * 4;
    await fill(attackers, path, () => sample().requests === held);
    await fill([honest], ENCRYPT, () => sample().requests === held + 4);
    await fill([honest], ENCRYPT, () => reasons.length > 0);
    assert.deepEqual([reasons.every((reason) => reason === "streams"), honest.destroyed], [true, false]);
    await ask(honest);
    assert.equal(honest.destroyed, false);
  });
}

test(
  "when clients with a reply reach the limit of requests, the first of them keeps its connection even if it is the busiest",
  LIMIT,
  async (t) => {
    const { session, reasons, sample } = await start(t);
    const [honest, ...attackers] = await answered(session, 21);
    assert.ok(honest);
    const open = async (one: ClientHttp2Session, requests: number) => {
      const before = sample().requests;
      for (let i = 0; i < requests; i++)
        one
          .request({ ...HEADERS, ":path": ENCRYPT })
          .on("error", () => {})
          .end(EMPTY);
      while (sample().requests < before + requests && reasons.length === 0)
        await new Promise((resolve) => setImmediate(resolve));
    };
    await open(honest, LIMITS.streamsPerConnection - 1);
    for (const attacker of attackers) await open(attacker, 48);
    assert.deepEqual([reasons[0], honest.destroyed], ["streams", false]);
    await ask(honest);
  },
);

test("only an unfinished request and a connection without a preface are closed", LIMIT, async (t) => {
  const { silent, session, reasons, count } = await start(t);
  const honest = await session();
  await ask(honest);
  const mute = await silent();
  const attacker = await session();
  const closed = [once(mute, "close"), once(attacker, "close")];
  attacker.request(HEADERS).on("error", () => {});
  await Promise.all(closed);
  await count(1);
  assert.deepEqual(reasons.toSorted(), ["silent", "unfinished"]);
  await ask(honest);
});

test("a connection with a reply may have more concurrent requests than a new one", LIMIT, async (t) => {
  const { session } = await start(t);
  const honest = await session();
  assert.equal(honest.remoteSettings.maxConcurrentStreams, LIMITS.streamsAtFirst);
  const changed = once(honest, "remoteSettings");
  await ask(honest);
  const [settings] = await changed;
  assert.equal(settings.maxConcurrentStreams, LIMITS.streamsPerConnection);
});

test(
  "as many concurrent requests as SETTINGS allows are answered, on a new connection and later on",
  LIMIT,
  async (t) => {
    const { session, reasons } = await start(t);
    const honest = await session();
    await Promise.all(Array.from({ length: LIMITS.streamsAtFirst }, () => ask(honest)));
    const second = await session();
    const changed = once(second, "remoteSettings");
    await ask(second);
    await changed;
    for (let i = 0; i < 3; i++)
      await Promise.all(Array.from({ length: LIMITS.streamsPerConnection }, () => ask(second)));
    assert.deepEqual(reasons, []);
  },
);

test(
  "a session that fails in the same read as the headers of a request affects no other session",
  LIMIT,
  async (t) => {
    const { session, silent, reasons } = await start(t);
    const attacker = await silent();
    const closed = once(attacker, "close");
    const frame = (type: number, flags: number, stream: number, payload = "") =>
      `${(payload.length / 2).toString(16).padStart(6, "0")}0${type}0${flags}${stream.toString(16).padStart(8, "0")}${payload}`;
    const block = "838604012f010161";
    // Over the limit, so that some do not reach grpc-js, which would handle their failure.
    const requests = Array.from({ length: 100 }, (_, i) => frame(1, 4, 2 * i + 1, block)).join("");
    const frames = frame(4, 0, 0) + requests + frame(0, 0, 1).repeat(2000);
    attacker.write(
      Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from(frames, "hex")]),
    );
    await closed;
    await ask(await session());
    assert.equal(reasons.length, 1);
  },
);

test(
  "a request that HTTP/2 resets for its :authority is reported, and one that is answered is not",
  LIMIT,
  async (t) => {
    const { session, unseen, reasons } = await start(t);
    let reported = 0;
    unseen.on("request", () => {
      reported += 1;
    });
    const caller = await session();
    await ask(caller);
    for (const authority of ["/run/kleidi/kms.sock", "a b"]) {
      const seen = once(unseen, "request");
      const stream = caller.request({ ...HEADERS, ":authority": authority });
      await assert.rejects(once(stream.end(EMPTY), "response"), { code: "ERR_HTTP2_STREAM_ERROR" });
      await seen;
    }
    // The connection serves valid requests further on.
    await ask(caller);
    assert.deepEqual([reported, reasons], [2, []]);
  },
);
