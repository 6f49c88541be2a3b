/** The server's required identity, and the host's own certificate. */
import assert from "node:assert/strict";
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, connect as connectPlain, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import type { TLSSocket, TlsOptions } from "node:tls";
import { Authority, type Certificate } from "../../../test/support/certificates.ts";
import { assertError } from "../../../test/support/failures.ts";
import { ok, RawServer } from "../../../test/support/raw-server.ts";
import { Unreachable } from "./exchange.ts";
import type { Resolve } from "./resolver.ts";
import type { TlsTarget } from "./tls-files.ts";
import { createTransport } from "./transport.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-tls-"));
after(() => rmSync(folder, { recursive: true }));
const authority = new Authority(join(folder, "ca"));
const other = new Authority(join(folder, "other"), "another CA");
const server = authority.server("server", { names: ["vault.test"] });
const expired = authority.server("expired", { names: ["vault.test"], expired: true });
const client = authority.client("client");
const second = authority.client("second");

const GET = { method: "GET", path: "/a", headers: {}, body: new Uint8Array() };
const loopback: Resolve = async () => [{ address: "127.0.0.1" }];
const of = ({ cert, key }: Certificate): TlsOptions => ({ cert: readFileSync(cert), key: readFileSync(key) });
/** A server that requires a client certificate. */
const strict: TlsOptions = { ...of(server), ca: authority.pem, requestCert: true, rejectUnauthorized: true };

const peer: (socket: unknown) => string = (socket) =>
  String((socket as TLSSocket).getPeerCertificate().subject?.CN ?? "nobody");
const start = (t: TestContext, tls: TlsOptions) =>
  RawServer.start(t, ({ socket }) => socket.write(ok(peer(socket))), tls);

function ask(t: TestContext, port: number, tls: Partial<TlsTarget> = {}, host = "vault.test") {
  const transport = createTransport(
    {
      origin: `https://${host}:${port}`,
      networks: ["127.0.0.0/8"],
      tls: { ca: authority.file, minimum: "1.2", ...tls },
      responseBytes: 1024,
      timeoutMs: 2000,
      connections: 1,
    },
    loopback,
  );
  t.after(() => transport.close());
  return async () => {
    const { body } = await transport.send(GET, AbortSignal.timeout(5000));
    return Buffer.from(body).toString();
  };
}

async function listening(t: TestContext, listener: Server): Promise<number> {
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  t.after(() => listener.close());
  return (listener.address() as AddressInfo).port;
}

/** Asserts that the server is unreachable; the message is in the snapshot, without the port and the folder. */
async function rejects(t: TestContext, working: Promise<unknown>): Promise<void> {
  await assertError(t, Unreachable, () => working, { PORT: /(?<=test:|127\.0\.0\.1:)\d+/g, FOLDER: folder });
}

/** Like `rejects`, for a message that depends on the order of events in the system. */
async function rejectsLike(working: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(working, (error) => {
    assert.ok(error instanceof Unreachable, `${error}`);
    assert.match(error.message, message);
    return true;
  });
}

test("a server with a certificate for the name, issued by the granted CA, gets the request", async (t) => {
  const { port } = await start(t, of(server));
  assert.equal(await ask(t, port)(), "nobody");
  assert.equal(await ask(t, port, {}, "127.0.0.1")(), "nobody");
});

test("SNI contains the name, and never an address", async (t) => {
  const names: unknown[] = [];
  const raw = await RawServer.start(
    t,
    ({ socket }) => {
      names.push((socket as TLSSocket).servername);
      socket.write(ok());
    },
    of(server),
  );
  await ask(t, raw.port)();
  await ask(t, raw.port, {}, "127.0.0.1")();
  await ask(t, raw.port, { serverName: "localhost" }, "127.0.0.1")();
  assert.deepEqual(names, ["vault.test", false, "localhost"]);
});

const REFUSED: readonly (readonly [
  what: string,
  certificate: Certificate,
  tls: Partial<TlsTarget>,
  host: string,
])[] = [
  ["by another CA", other.server("server", { names: ["vault.test"] }), {}, "vault.test"],
  ["by a CA that is not one of Node's, if none is configured", server, { ca: undefined }, "vault.test"],
  ["that has expired", expired, {}, "vault.test"],
  ["for another name", server, {}, "other.test"],
  ["for another name than the required one", server, { serverName: "other.test" }, "vault.test"],
  ["for the address, if a name is required", server, { serverName: "other.test" }, "127.0.0.1"],
  [
    "for the connected address, if another address is required",
    server,
    { serverName: "10.0.0.1" },
    "vault.test",
  ],
  ["of a client", client, {}, "vault.test"],
];
for (const [what, certificate, tls, host] of REFUSED)
  test(`a server with a certificate ${what} gets no request`, async (t) => {
    const raw = await start(t, of(certificate));
    await rejects(t, ask(t, raw.port, tls, host)());
    assert.equal(raw.requests.length, 0);
  });

test("the environment does not turn verification off", async (t) => {
  const raw = await start(t, of(other.server("environment", { names: ["vault.test"] })));
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
  t.after(() => {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  });
  await rejects(t, ask(t, raw.port)());
  assert.equal(raw.requests.length, 0);
});

for (const [version, minimum] of [
  ["TLSv1.1", "1.2"],
  ["TLSv1.2", "1.3"],
] as const)
  test(`a server that supports at most ${version} gets no request if the minimum is ${minimum}`, async (t) => {
    // OpenSSL offers old versions only at a lower security level.
    const raw = await start(t, {
      ...of(server),
      minVersion: "TLSv1",
      maxVersion: version,
      ciphers: "ALL:@SECLEVEL=0",
    });
    await rejects(t, ask(t, raw.port, { minimum })());
    assert.equal(raw.requests.length, 0);
  });

test("a server that does not speak TLS gets no request", async (t) => {
  const plain = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(
    0,
    "127.0.0.1",
  );
  t.after(() => plain.close());
  await rejects(t, ask(t, await listening(t, plain))());
});

test("a server that closes the connection during the handshake is reported as closing connections", async (t) => {
  const plain = createServer((socket) => socket.once("data", () => socket.end()));
  await rejects(t, ask(t, await listening(t, plain))());
});

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`the client certificate is presented if the server requires one (${version})`, async (t) => {
    const { port } = await start(t, { ...strict, maxVersion: version });
    const tls = { client: { certificate: client.cert, key: client.key } };
    assert.equal(await ask(t, port, tls)(), "client");
  });

  test(`a server that requires a client certificate gets no request without one (${version})`, async (t) => {
    const raw = await start(t, { ...strict, maxVersion: version });
    await rejectsLike(
      ask(t, raw.port)(),
      /^vault.test:\d+ (rejects the host's TLS settings, or requires a client certificate|clos)/,
    );
    assert.equal(raw.requests.length, 0);
  });
}

test("a replaced client certificate is presented at the next connection", async (t) => {
  const [certificate, key] = [join(folder, "own.pem"), join(folder, "own-key.pem")];
  const own = (from: Certificate) => {
    copyFileSync(from.cert, certificate);
    copyFileSync(from.key, key);
  };
  own(client);
  const raw = await start(t, strict);
  const asking = ask(t, raw.port, { client: { certificate, key } });
  const peers = [await asking()];
  own(second);
  for (const socket of raw.open) socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 20));
  peers.push(await asking());
  assert.deepEqual(peers, ["client", "second"]);
});

test("a replaced CA applies to the next connection", async (t) => {
  const ca = join(folder, "exchanged.pem");
  copyFileSync(other.file, ca);
  const { port } = await start(t, of(server));
  const asking = ask(t, port, { ca });
  await rejects(t, asking());
  copyFileSync(authority.file, ca);
  assert.equal(await asking(), "nobody");
});

const FILES: readonly (readonly [what: string, content: string | undefined])[] = [
  ["is missing", undefined],
  ["is empty", ""],
  ["is not PEM", "hello"],
];
for (const [what, content] of FILES)
  test(`a CA file that ${what} trusts no server`, async (t) => {
    const ca = join(folder, "file.pem");
    rmSync(ca, { force: true });
    if (content !== undefined) writeFileSync(ca, content);
    const raw = await start(t, of(server));
    await rejects(t, ask(t, raw.port, { ca })());
    assert.equal(raw.requests.length, 0);
  });

test("a key that does not match the certificate is reported as unusable, without quoting it", async (t) => {
  const raw = await start(t, strict);
  const tls = { client: { certificate: client.cert, key: second.key } };
  await rejects(t, ask(t, raw.port, tls)());
  assert.equal(raw.connections, 0);
});

test("a key that others may read is not used; one that a group may read is used, also through a link", async (t) => {
  const raw = await start(t, strict);
  const [key, link] = [join(folder, "shared-key.pem"), join(folder, "linked-key.pem")];
  copyFileSync(client.key, key);
  symlinkSync(key, link);
  const asking = ask(t, raw.port, { client: { certificate: client.cert, key: link } });
  chmodSync(key, 0o644);
  await rejects(t, asking());
  assert.equal(raw.connections, 0);
  chmodSync(key, 0o640);
  assert.equal(await asking(), "client");
});

test("HTTP/2 is not used, even if the server prefers it", async (t) => {
  const protocols: unknown[] = [];
  const raw = await RawServer.start(
    t,
    ({ socket }) => {
      protocols.push((socket as TLSSocket).alpnProtocol);
      socket.write(ok());
    },
    { ...of(server), ALPNProtocols: ["h2", "http/1.1"] },
  );
  await ask(t, raw.port)();
  assert.deepEqual(protocols, ["http/1.1"]);
});

test("a session is not resumed: each connection verifies the server", async (t) => {
  const resumed: boolean[] = [];
  const raw = await RawServer.start(
    t,
    ({ socket }) => {
      resumed.push((socket as TLSSocket).isSessionReused());
      socket.end(ok("", "connection: close"));
    },
    of(server),
  );
  const asking = ask(t, raw.port);
  await asking();
  await asking();
  assert.deepEqual(resumed, [false, false]);
});

/** A server that accepts connections and stays silent, unless it passes them on to another one. */
async function silent(t: TestContext, at = "127.0.0.1", port = 0) {
  const open = new Set<Socket>();
  const state: { to: number | undefined; connections: number; open: Set<Socket> } = {
    to: undefined,
    connections: 0,
    open,
  };
  const listener = createServer((near) => {
    state.connections += 1;
    open.add(near);
    near.once("close", () => open.delete(near));
    near.on("error", () => {});
    if (state.to === undefined) return void near.resume();
    const far = connectPlain(state.to, "127.0.0.1").on("error", () => {});
    near.pipe(far).pipe(near);
    near.once("close", () => far.destroy());
  });
  await new Promise<void>((resolve) => listener.listen(port, at, resolve));
  t.after(() => {
    listener.close();
    for (const socket of open) socket.destroy();
  });
  return Object.assign(state, { port: (listener.address() as AddressInfo).port });
}

function transportTo(t: TestContext, port: number, timeoutMs: number, addresses: readonly string[]) {
  const transport = createTransport(
    {
      origin: `https://vault.test:${port}`,
      networks: ["127.0.0.0/8"],
      tls: { ca: authority.file, minimum: "1.2" },
      responseBytes: 1024,
      timeoutMs,
      connections: 1,
    },
    async () => addresses.map((address) => ({ address })),
  );
  t.after(() => transport.close());
  return transport;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("a server that starts no handshake times out, and its connection is closed", async (t) => {
  const hung = await silent(t);
  const transport = transportTo(t, hung.port, 200, ["127.0.0.1"]);
  await rejects(t, transport.send(GET, new AbortController().signal));
  await until(() => hung.open.size === 0);
});

test("an address that starts no handshake leaves time for the next one", async (t) => {
  const raw = await RawServer.start(t, ({ socket }) => socket.write(ok("second")), of(server), "127.0.0.2");
  const hung = await silent(t, "127.0.0.1", raw.port);
  const transport = transportTo(t, raw.port, 1000, ["127.0.0.1", "127.0.0.2"]);
  const { body } = await transport.send(GET, new AbortController().signal);
  assert.equal(Buffer.from(body).toString(), "second");
  await until(() => hung.open.size === 0);
});

test("a pending connection of an aborted request does not block the next one", async (t) => {
  const raw = await start(t, of(server));
  const hung = await silent(t);
  const transport = transportTo(t, hung.port, 60_000, ["127.0.0.1"]);
  const over = new AbortController();
  const first = transport.send(GET, over.signal);
  await until(() => hung.connections === 1);
  over.abort(new Unreachable("given up"));
  await rejects(t, first);
  await until(() => hung.open.size === 0);
  hung.to = raw.port;
  const { body } = await transport.send(GET, new AbortController().signal);
  assert.equal(Buffer.from(body).toString(), "nobody");
});

test("close() ends pending connections", async (t) => {
  const hung = await silent(t);
  const transport = transportTo(t, hung.port, 60_000, ["127.0.0.1"]);
  const asked = rejectsLike(transport.send(GET, new AbortController().signal), /./);
  await until(() => hung.connections === 1);
  await transport.close();
  await asked;
  await until(() => hung.open.size === 0);
});

test("garbage in the last packet of the handshake is a failure, and does not crash the host", async (t) => {
  const raw = await start(t, of(server));
  // A proxy that inserts a broken record before the server's first data.
  const between = createServer((near) => {
    const far = connectPlain(raw.port, "127.0.0.1");
    for (const socket of [near, far]) socket.on("error", () => {});
    near.pipe(far);
    const parts: Buffer[] = [];
    far.on("data", (part: Buffer) => parts.push(part));
    setTimeout(
      () => near.write(Buffer.concat([...parts, Buffer.from("1703030020", "hex"), Buffer.alloc(32, 7)])),
      50,
    );
    near.once("close", () => far.destroy());
  });
  await rejectsLike(ask(t, await listening(t, between))(), /^vault.test:\d+ /);
  assert.equal(raw.requests.length, 0);
});
