import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { ADMIN_LIMITS, AdminConnections, type AdminLimits } from "./admin-connections.ts";

const REQUEST = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

// Each awaited event occurs at once or never.
const LIMIT = { timeout: 60_000 };

/** Starts a listener that echoes the head of each request and keeps the connection open. */
async function start(t: TestContext, limits: Partial<AdminLimits> = {}) {
  const reasons: string[] = [];
  const connections = new AdminConnections(
    (socket) => socket.on("data", (head) => socket.write(head)),
    (reason) => reasons.push(reason),
    { ...ADMIN_LIMITS, lifetimeMs: 60_000, ...limits },
  );
  const accepted: (() => void)[] = [];
  const server = createServer((socket) => {
    connections.accept(socket);
    accepted.shift()?.();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => {
    server.close();
    connections.closeAll();
  });
  const { port } = server.address() as { port: number };
  /** Connects; resolves when the connection is accepted. */
  const caller = async (bytes = ""): Promise<Socket> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    accepted.push(resolve);
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    await promise;
    if (bytes !== "") socket.write(bytes);
    return socket;
  };
  return { caller, reasons };
}

async function received(socket: Socket): Promise<string> {
  const [chunk] = await once(socket, "data");
  return String(chunk);
}

test("a request is accepted in any number of pieces", LIMIT, async (t) => {
  const { caller, reasons } = await start(t);
  const socket = await caller();
  const echo = received(socket);
  for (const byte of REQUEST) {
    socket.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(await echo, REQUEST);
  assert.deepEqual(reasons, []);
});

test(
  "only the first of many requests on one connection is accepted, and the rest is reported",
  LIMIT,
  async (t) => {
    const { caller, reasons } = await start(t);
    const socket = await caller(REQUEST.repeat(1400));
    assert.equal(await received(socket), REQUEST);
    assert.deepEqual(reasons, ["pipelined"]);
  },
);

test("a head over the limit closes the connection, even without its end", LIMIT, async (t) => {
  const { caller, reasons } = await start(t);
  for (const end of ["", "\r\n\r\n"]) {
    const socket = await caller(`GET /livez HTTP/1.1\r\nHost: ${"x".repeat(9000)}${end}`);
    await once(socket.resume(), "close");
  }
  assert.deepEqual(reasons, ["head", "head"]);
});

for (const first of ["\r\n\r\n", "\r", "\n"]) {
  test(`a request that begins with ${JSON.stringify(first)} is rejected`, LIMIT, async (t) => {
    const { caller, reasons } = await start(t);
    const socket = await caller(first + REQUEST);
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk;
    });
    await once(socket, "close");
    assert.deepEqual([text, reasons], ["", ["empty"]]);
  });
}

for (const [what, bytes] of [
  ["sends nothing", ""],
  ["does not end its head", "GET /livez HTTP/1.1\r\n"],
  ["sends a request and stays open", REQUEST],
]) {
  test(`a connection that ${what} is closed at its deadline`, LIMIT, async (t) => {
    const { caller, reasons } = await start(t, { lifetimeMs: 50 });
    const socket = await caller(bytes);
    await once(socket.resume(), "close");
    assert.deepEqual(reasons, ["late"]);
  });
}

test(
  "at the limit, a new connection replaces the oldest one without a request, and one with a request stays",
  LIMIT,
  async (t) => {
    const { caller, reasons } = await start(t, { connections: 3 });
    const asked = await caller(REQUEST);
    await received(asked);
    const silent = [await caller(), await caller()];
    const closed = once((silent[0] as Socket).resume(), "close");
    const echo = received(await caller(REQUEST));
    await closed;
    assert.equal(await echo, REQUEST);
    assert.deepEqual([reasons, asked.destroyed, silent[1]?.destroyed], [["replaced"], false, false]);
  },
);

test("at the limit, a new connection replaces the oldest one if all have requests", LIMIT, async (t) => {
  const { caller, reasons } = await start(t, { connections: 2 });
  const first = await caller(REQUEST);
  await received(first);
  await received(await caller(REQUEST));
  const closed = once(first.resume(), "close");
  assert.equal(await received(await caller(REQUEST)), REQUEST);
  await closed;
  assert.deepEqual(reasons, ["replaced"]);
});
