import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { ADMIN_LIMITS, AdminConnections, type AdminLimits } from "./admin-connections.ts";

const REQUEST = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

// What is waited for comes at once, or never.
const LIMIT = { timeout: 60_000 };

/** A listener that gives back what it was shown of each request, and keeps the connection. */
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
  /** Resolves when it is accepted. */
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

async function heard(socket: Socket): Promise<string> {
  const [chunk] = await once(socket, "data");
  return String(chunk);
}

test("a request is shown, in whatever pieces it comes", LIMIT, async (t) => {
  const { caller, reasons } = await start(t);
  const socket = await caller();
  const hears = heard(socket);
  for (const byte of REQUEST) {
    socket.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(await hears, REQUEST);
  assert.deepEqual(reasons, []);
});

test("of many requests on one connection the first is shown, and the rest is told", LIMIT, async (t) => {
  const { caller, reasons } = await start(t);
  const socket = await caller(REQUEST.repeat(1400));
  assert.equal(await heard(socket), REQUEST);
  assert.deepEqual(reasons, ["pipelined"]);
});

test("a head that is too long closes the connection, also where it has no end", LIMIT, async (t) => {
  const { caller, reasons } = await start(t);
  for (const end of ["", "\r\n\r\n"]) {
    const socket = await caller(`GET /livez HTTP/1.1\r\nHost: ${"x".repeat(9000)}${end}`);
    await once(socket.resume(), "close");
  }
  assert.deepEqual(reasons, ["head", "head"]);
});

for (const first of ["\r\n\r\n", "\r", "\n"]) {
  test(`a request that begins with ${JSON.stringify(first)} is not shown`, LIMIT, async (t) => {
    const { caller, reasons } = await start(t);
    const socket = await caller(first + REQUEST);
    let shown = "";
    socket.on("data", (chunk) => {
      shown += chunk;
    });
    await once(socket, "close");
    assert.deepEqual([shown, reasons], ["", ["empty"]]);
  });
}

for (const [what, bytes] of [
  ["says nothing", ""],
  ["does not end its head", "GET /livez HTTP/1.1\r\n"],
  ["asks, and does not let go", REQUEST],
]) {
  test(`a connection that ${what} is closed when its time is over`, LIMIT, async (t) => {
    const { caller, reasons } = await start(t, { lifetimeMs: 50 });
    const socket = await caller(bytes);
    await once(socket.resume(), "close");
    assert.deepEqual(reasons, ["late"]);
  });
}

test(
  "where there are too many, the oldest silent one goes for a new one, and one that asked stays",
  LIMIT,
  async (t) => {
    const { caller, reasons } = await start(t, { connections: 3 });
    const asked = await caller(REQUEST);
    await heard(asked);
    const silent = [await caller(), await caller()];
    const closed = once((silent[0] as Socket).resume(), "close");
    const hears = heard(await caller(REQUEST));
    await closed;
    assert.equal(await hears, REQUEST);
    assert.deepEqual([reasons, asked.destroyed, silent[1]?.destroyed], [["replaced"], false, false]);
  },
);

test("where all have asked, the oldest goes for a new one", LIMIT, async (t) => {
  const { caller, reasons } = await start(t, { connections: 2 });
  const first = await caller(REQUEST);
  await heard(first);
  await heard(await caller(REQUEST));
  const closed = once(first.resume(), "close");
  assert.equal(await heard(await caller(REQUEST)), REQUEST);
  await closed;
  assert.deepEqual(reasons, ["replaced"]);
});
