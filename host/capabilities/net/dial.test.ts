/** Resolving the origin's name and choosing an allowed address. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Authority } from "../../../test/support/certificates.ts";
import { assertError } from "../../../test/support/failures.ts";
import { ok, RawServer } from "../../../test/support/raw-server.ts";
import type { Values } from "../../../test/support/thrown.ts";
import { Dialer } from "./dial.ts";
import { Unreachable } from "./exchange.ts";
import type { Resolve } from "./resolver.ts";
import { createTransport } from "./transport.ts";

const NAME = "vault.test";
const NEVER = new AbortController().signal;
const GET = { method: "GET", path: "/a", headers: {}, body: new Uint8Array() };
const TLS = { minimum: "1.2" } as const;
const at =
  (...addresses: readonly string[]): Resolve =>
  async () =>
    addresses.map((address) => ({ address }));

function dialer(origin: string, resolve: Resolve, networks: readonly string[] = []): Dialer {
  return new Dialer({ origin, networks, tls: TLS }, resolve);
}

const named = (server: RawServer, resolve: Resolve, networks: readonly string[] = ["127.0.0.0/8"]) =>
  dialer(`http://${NAME}:${server.port}`, resolve, networks);

/** Asserts that the server is unreachable; the message is in the snapshot. */
async function rejects(t: TestContext, working: Promise<unknown>, values: Values = {}): Promise<void> {
  await assertError(t, Unreachable, () => working, values);
}

/** A dial over a separate transport. */
function transportTo(t: TestContext, server: RawServer, resolve: Resolve, timeoutMs = 2000) {
  const transport = createTransport(
    {
      origin: `http://${NAME}:${server.port}`,
      networks: ["127.0.0.0/8"],
      tls: TLS,
      responseBytes: 1024,
      timeoutMs,
      connections: 8,
    },
    resolve,
  );
  t.after(() => transport.close());
  return transport;
}

test("the origin is parsed as a URL, with default ports", () => {
  const parts = ["https://a.b", "https://a.b:443", "http://127.0.0.1:80", "https://[::1]:8200"].map(
    (origin) => {
      const { host, port, secure, where } = dialer(origin, at());
      return [host, port, secure, where];
    },
  );
  assert.deepEqual(parts, [
    ["a.b", 443, true, "a.b:443"],
    ["a.b", 443, true, "a.b:443"],
    ["127.0.0.1", 80, false, "127.0.0.1:80"],
    ["::1", 8200, true, "[::1]:8200"],
  ]);
});

test("an address in the origin is not resolved", async () => {
  const resolve: Resolve = () => assert.fail("the address was resolved");
  assert.deepEqual(await dialer("https://1.1.1.1", resolve).addresses(500, NEVER), ["1.1.1.1"]);
  assert.deepEqual(await dialer("http://127.0.0.7", resolve).addresses(500, NEVER), ["127.0.0.7"]);
  assert.deepEqual(await dialer("http://[::1]", resolve).addresses(500, NEVER), ["::1"]);
});

test("a loopback address in the origin grants only itself", async (t) => {
  await rejects(t, dialer("https://10.0.0.1", at()).addresses(500, NEVER));
  const lured = new Dialer({ origin: "http://127.0.0.7", networks: [], tls: TLS }, at("127.0.0.1"));
  assert.deepEqual(await lured.addresses(500, NEVER), ["127.0.0.7"]);
});

test("a name with an internal address is refused, and the address is reported", async (t) => {
  const server = await RawServer.start(t, ({ socket }) => socket.write(ok()));
  for (const address of ["127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "10.0.0.1", "fd00:ec2::254"])
    await rejects(t, named(server, at(address), ["192.168.0.0/16"]).dial(500, NEVER));
  assert.equal(server.connections, 0);
});

test("the private addresses among public ones are skipped", async () => {
  const resolve = at("10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111", "::ffff:1.1.1.1");
  assert.deepEqual(await dialer("https://vault.test", resolve).addresses(500, NEVER), [
    "1.1.1.1",
    "2606:4700::1111",
  ]);
});

test("a name without a valid address is refused", async (t) => {
  const resolved = (resolve: Resolve) => dialer("https://vault.test", resolve).addresses(500, NEVER);
  await rejects(t, resolved(at()));
  await rejects(t, resolved(at("localhost")));
});

test("a name that cannot be resolved is reported with the code only", async (t) => {
  const resolve: Resolve = async () => {
    throw Object.assign(new Error("queryA ENOTFOUND secret.internal"), { code: "ENOTFOUND" });
  };
  await rejects(t, dialer("https://vault.test", resolve).dial(500, NEVER));
});

test("the system's resolver is the default", async (t) => {
  const server = await RawServer.start(t, () => {});
  const { port } = server;
  const local = new Dialer({ origin: `http://localhost:${port}`, networks: ["127.0.0.0/8"], tls: TLS });
  const socket = await local.dial(2000, NEVER);
  assert.equal(socket.remoteAddress, "127.0.0.1");
  socket.destroy();
});

test("the connection goes to the checked address, however often the name changes", async (t) => {
  // Of two servers on one port, only the first may be connected to.
  const inside = await RawServer.start(t, () => {}, undefined, "127.0.0.1");
  const outside = await RawServer.start(t, () => {}, undefined, "127.0.0.2", inside.port);
  let asked = 0;
  const resolve: Resolve = async () => [{ address: asked++ === 0 ? "127.0.0.1" : "127.0.0.2" }];
  const socket = await named(inside, resolve, ["127.0.0.1/32"]).dial(2000, NEVER);
  assert.deepEqual([socket.remoteAddress, asked, outside.connections], ["127.0.0.1", 1, 0]);
  socket.destroy();
});

test("if an address refuses, the next one is tried", async (t) => {
  const server = await RawServer.start(t, () => {}, undefined, "127.0.0.3");
  const socket = await named(server, at("127.0.0.1", "127.0.0.2", "127.0.0.3")).dial(2000, NEVER);
  assert.equal(socket.remoteAddress, "127.0.0.3");
  socket.destroy();
});

test("if the first addresses take connections and do not answer over TLS, the next one is used", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-dial-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const authority = new Authority(folder);
  const { cert, key } = authority.server("server", { names: [NAME] });
  const tls = { cert: readFileSync(cert), key: readFileSync(key) };
  const server = await RawServer.start(t, () => {}, tls, "127.0.0.6");
  const hung = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];
  for (const address of hung) await RawServer.start(t, () => {}, undefined, address, server.port);
  const target = {
    origin: `https://${NAME}:${server.port}`,
    networks: ["127.0.0.0/8"],
    tls: { ...TLS, ca: authority.file },
  };
  const socket = await new Dialer(target, at(...hung, "127.0.0.6")).dial(60_000, NEVER);
  assert.equal(socket.remoteAddress, "127.0.0.6");
  socket.destroy();
});

test("at most 64 addresses are tried", async (t) => {
  const server = await RawServer.start(t, () => {}, undefined, "127.0.1.65");
  const all = Array.from({ length: 65 }, (_, i) => `127.0.1.${i + 1}`);
  await rejects(t, named(server, at(...all)).dial(60_000, NEVER), { PORT: server.port });
  assert.equal(server.connections, 0);
});

test("a resolver that never answers is reported before the time-out, and not the server", async (t) => {
  const hung = dialer("https://vault.test", () => new Promise(() => {}));
  await rejects(t, hung.dial(80, NEVER));
});

test("a late answer of the resolver opens no connection", async (t) => {
  const server = await RawServer.start(t, () => {});
  const { promise, resolve } = Promise.withResolvers<readonly { address: string }[]>();
  await rejects(t, named(server, () => promise).dial(50, NEVER));
  resolve([{ address: "127.0.0.1" }]);
  await promise;
  await new Promise(setImmediate);
  assert.equal(server.connections, 0);
});

for (const when of ["before it begins", "while the name is resolved"])
  test(`a dial that is aborted ${when} opens no connection`, async (t) => {
    const server = await RawServer.start(t, () => {});
    const over = new AbortController();
    const reason = new Unreachable("given up");
    if (when === "before it begins") over.abort(reason);
    const resolve: Resolve = async () => {
      over.abort(reason);
      return [{ address: "127.0.0.1" }];
    };
    await rejects(t, named(server, resolve).dial(2000, over.signal));
    await new Promise(setImmediate);
    assert.equal(server.connections, 0);
  });

test("a request with a hanging resolver ends at its own time-out", async (t) => {
  const server = await RawServer.start(t, () => {});
  const transport = transportTo(t, server, () => new Promise(() => {}), 300);
  await rejects(t, transport.send(GET, AbortSignal.timeout(100)), { PORT: server.port });
  await rejects(t, transport.send(GET, NEVER));
});

test("close() ends a dial whose resolver hangs", async (t) => {
  const server = await RawServer.start(t, () => {});
  const transport = transportTo(t, server, () => new Promise(() => {}), 60_000);
  const asked = assert.rejects(transport.send(GET, NEVER), { name: "Unreachable" });
  await new Promise(setImmediate);
  await transport.close();
  await asked;
});

test("a kept connection is closed after a minute, so that a changed name takes effect", async (t) => {
  const first = await RawServer.start(t, ({ socket }) => socket.write(ok("first")), undefined, "127.0.0.1");
  await RawServer.start(t, ({ socket }) => socket.write(ok("second")), undefined, "127.0.0.2", first.port);
  let address = "127.0.0.1";
  const transport = transportTo(t, first, async () => [{ address }]);
  const ask = async () => {
    const { body } = await transport.send(GET, NEVER);
    await new Promise((resolve) => setTimeout(resolve, 5));
    return Buffer.from(body).toString();
  };
  // Only the clock is advanced, not the timers.
  t.mock.timers.enable({ apis: ["Date"], now: 1_700_000_000_000 });
  assert.equal(await ask(), "first");
  address = "127.0.0.2";
  t.mock.timers.tick(59_000);
  assert.equal(await ask(), "first");
  t.mock.timers.tick(2_000);
  assert.equal(await ask(), "second");
});
