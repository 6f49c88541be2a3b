import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertError } from "../../../test/support/failures.ts";
import { type OnRequest, ok, RawServer } from "../../../test/support/raw-server.ts";
import { type Request, type Response, Unreachable } from "./exchange.ts";
import { createTransport, type Transport, type TransportOptions } from "./transport.ts";

const POST: Request = { method: "POST", path: "/v1/a", headers: {}, body: Buffer.from("hello") };
const GET: Request = { method: "GET", path: "/v1/a", headers: {}, body: new Uint8Array() };

interface Setting {
  readonly server: RawServer;
  readonly transport: Transport;
  /** Ends after the transport's own time-out. */
  readonly send: (request?: Request) => Promise<Response>;
}

async function setUp(
  t: TestContext,
  onRequest: OnRequest,
  options: Partial<TransportOptions> = {},
): Promise<Setting> {
  const server = await RawServer.start(t, onRequest);
  const all: TransportOptions = {
    origin: `http://127.0.0.1:${server.port}`,
    networks: [],
    tls: { minimum: "1.2" },
    responseBytes: 4096,
    timeoutMs: 2000,
    connections: 4,
    ...options,
  };
  const transport = createTransport(all);
  t.after(() => transport.close());
  const send = (request = POST) => {
    const late = new Unreachable("the time is over");
    const clock = new AbortController();
    const timer = setTimeout(() => clock.abort(late), all.timeoutMs);
    return transport.send(request, clock.signal).finally(() => clearTimeout(timer));
  };
  return { server, transport, send };
}

const text = ({ body }: Response) => Buffer.from(body).toString("latin1");
/** Asserts that the server is unreachable; the message is in the snapshot, without the port. */
const rejects = (t: TestContext, working: Promise<unknown>) =>
  assertError(t, Unreachable, () => working, { PORT: /(?<=127\.0\.0\.1:)\d+/g });
/** Like `rejects`, for a message that depends on the order of events in the system. */
const unreachable = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof Unreachable, `${error}`);
  assert.match(error.message, message);
  return true;
};
/** Waits for a condition that becomes true; otherwise the test runner's time-out ends the test. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5);
}

test("a request is sent as decided, without headers of Node", async (t) => {
  const { server, send } = await setUp(t, ({ socket }) => socket.write(ok("there")));
  assert.equal(text(await send({ ...POST, headers: { "content-type": "a/b" } })), "there");
  assert.equal(
    server.requests[0]?.head,
    `POST /v1/a HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\nconnection: keep-alive\r\ncontent-type: a/b\r\ncontent-length: 5`,
  );
  assert.equal(server.requests[0]?.body, "hello");
});

test("a connection is reused for the next request", async (t) => {
  const { server, send } = await setUp(t, ({ socket, ordinal }) => socket.write(ok(`${ordinal}`)));
  for (const answer of ["1", "2", "3"]) {
    assert.equal(text(await send()), answer);
    // It is free after the current turn of the event loop.
    await sleep(5);
  }
  assert.equal(server.connections, 1);
});

test("a redirect is an answer, and is not followed", async (t) => {
  const { server, send } = await setUp(t, ({ socket }) =>
    socket.write(
      "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    ),
  );
  const { status, headers } = await send();
  assert.deepEqual([status, headers.location], [307, "http://127.0.0.1:1/"]);
  assert.equal(server.requests.length, 1);
});

for (const [what, request, answer, status] of [
  ["204", POST, "HTTP/1.1 204 No Content\r\n\r\n", 204],
  ["304", GET, "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304],
  ["HEAD", { ...GET, method: "HEAD" }, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", 200],
] as const)
  test(`the answer to ${what} has no body, and the next request is answered`, async (t) => {
    const { send } = await setUp(t, ({ socket, ordinal }) => {
      socket.write(ordinal > 1 ? ok("next") : answer);
    });
    const got = await send(request);
    assert.deepEqual([got.status, got.body.length], [status, 0]);
    assert.equal(text(await send()), "next");
  });

test("a POST without a body has content-length 0, and a DELETE has none", async (t) => {
  const { server, send } = await setUp(t, ({ socket }) => socket.write(ok()));
  await send({ ...GET, method: "DELETE" });
  await send({ ...GET, method: "POST" });
  await send(GET);
  const lengths = server.requests.map(({ head }) => /content-length: (\d+)/.exec(head)?.[1]);
  assert.deepEqual(lengths, [undefined, "0", undefined]);
});

test("a body of the granted size is passed on, one byte more is not", async (t) => {
  const { send } = await setUp(t, ({ socket, ordinal }) => socket.write(ok("a".repeat(4095 + ordinal))));
  assert.equal((await send()).body.length, 4096);
  await rejects(t, send());
});

test("an answer of 100 MB is aborted, and little of it is read", async (t) => {
  const { server, send } = await setUp(t, ({ socket }) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${100_000_000}\r\n\r\n`);
    const piece = Buffer.alloc(65_536);
    const more = () => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on("drain", more);
    more();
  });
  await rejects(t, send());
  const [request] = server.requests;
  await until(() => server.open.size === 0);
  // The kernel's buffers of the two sockets do not count as the host's.
  assert.ok((request?.socket.bytesWritten ?? 0) < 20_000_000);
});

test("an endless chunked answer is aborted", async (t) => {
  const { server, send } = await setUp(t, ({ socket }) => {
    socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    const timer = setInterval(() => socket.write(`400\r\n${"a".repeat(1024)}\r\n`), 5);
    socket.once("close", () => clearInterval(timer));
  });
  await rejects(t, send());
  await until(() => server.open.size === 0);
});

const SLOW: readonly (readonly [what: string, onRequest: OnRequest])[] = [
  ["says nothing", () => {}],
  [
    "sends its headers a byte at a time",
    ({ socket }) => drip(socket, () => `HTTP/1.1 200 OK\r\nx: ${"a".repeat(1000)}`),
  ],
  [
    "sends its body a byte at a time",
    ({ socket }) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n");
      drip(socket, () => "a".repeat(4000));
    },
  ],
  [
    "sends nothing but 103 Early Hints",
    ({ socket }) => {
      const timer = setInterval(
        () => socket.write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100)),
        10,
      );
      socket.once("close", () => clearInterval(timer));
    },
  ],
];

function drip(socket: import("node:net").Socket, all: () => string): void {
  const bytes = all();
  let at = 0;
  const timer = setInterval(() => socket.write(bytes[at++] ?? ""), 20);
  socket.once("close", () => clearInterval(timer));
}

for (const [what, onRequest] of SLOW)
  test(`a server that ${what} times out, and its connection is closed`, async (t) => {
    const { server, send } = await setUp(t, onRequest, { timeoutMs: 300 });
    await rejects(t, send());
    await until(() => server.open.size === 0);
    assert.equal(server.requests.length, 1);
  });

test("a kept connection that the server closed is not a failure", async (t) => {
  const { server, send } = await setUp(t, ({ socket, ordinal }) => socket.write(ok(`${ordinal}`)));
  assert.equal(text(await send()), "1");
  for (const socket of server.open) socket.end();
  await until(() => server.open.size === 0);
  assert.equal(text(await send()), "2");
});

test("a kept connection that closes at the time of the next request is not a failure", async (t) => {
  const { server, send } = await setUp(t, ({ socket, ordinal }) => {
    // The second request uses the kept connection, and gets no answer.
    if (ordinal === 2) socket.resetAndDestroy();
    else socket.write(ok(`${ordinal}`));
  });
  assert.equal(text(await send()), "1");
  assert.equal(text(await send()), "3");
  assert.equal(server.connections, 2);
});

for (const [how, cut] of [
  ["closed", ({ socket }) => socket.end()],
  ["reset", ({ socket }) => socket.resetAndDestroy()],
  ["closed within its headers", ({ socket }) => socket.end("HTTP/1.1 200 OK\r\nx: y")],
] as const satisfies [string, OnRequest][])
  test(`a request whose connection is ${how} after it was read is sent at most twice`, async (t) => {
    const { server, send } = await setUp(t, cut);
    await rejects(t, send());
    assert.equal(server.requests.length, 2);
  });

test("a request that must not be repeated is sent once, whatever happens to its connection", async (t) => {
  const { server, send } = await setUp(t, ({ socket }) => socket.resetAndDestroy(), { once: true });
  await rejects(t, send());
  assert.equal(server.requests.length, 1);
});

test("a request that must not be repeated uses no kept connection that the server may have closed", async (t) => {
  const { server, send } = await setUp(t, ({ socket, ordinal }) => socket.write(ok(`${ordinal}`)), {
    once: true,
  });
  for (const each of ["1", "2", "3"]) assert.equal(text(await send()), each);
  assert.equal(server.connections, 3);
  assert.match(server.requests[0]?.head ?? "", /\r\nconnection: close/);
  await until(() => server.open.size === 0);
});

for (const [how, onRequest] of [
  ["by its length", ({ socket }) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")],
  [
    "in chunks",
    ({ socket }) => socket.end("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
  ],
  [
    "by a reset",
    ({ socket }) => {
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
      setTimeout(() => socket.resetAndDestroy(), 50);
    },
  ],
] as const satisfies [string, OnRequest][])
  test(`a truncated answer (${how}) fails, and its request is sent once`, async (t) => {
    const { server, send } = await setUp(t, onRequest);
    await assert.rejects(
      send(),
      unreachable(
        /^127.0.0.1:\d+ (broke off its answer|sent a body whose length differs from its content-length)$/,
      ),
    );
    assert.equal(server.requests.length, 1);
  });

const ODD: readonly (readonly [what: string, answer: string])[] = [
  ["is not HTTP", "SSH-2.0-OpenSSH_9.9\r\n"],
  ["has a header without a name", "HTTP/1.1 200 OK\r\n: a\r\n\r\n"],
  ["has two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na"],
  [
    "has a length and chunks",
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
  ],
  ["has a NUL in a header", "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n"],
  ["folds a header", "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n"],
  ["has a chunk without a size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"],
  ["switches protocols", "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: a\r\n\r\n"],
  ["is an unrequested 100 Continue", "HTTP/1.1 100 Continue\r\n\r\n"],
  ["ends with the connection", "HTTP/1.1 200 OK\r\n\r\nhalf"],
  ["has a compressed transfer-encoding", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhalf"],
  ["has the status 999", "HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n"],
  ["is packed", ok("a", "content-encoding: gzip")],
  ["is compressed twice", ok("a", "content-encoding: identity", "content-encoding: br")],
  ["has headers of 17 KiB", ok("a", `x: ${"a".repeat(17 * 1024)}`)],
  ["has 2000 headers", ok("a", ...Array.from({ length: 2000 }, (_, i) => `x-${i}: aaaa`))],
];
for (const [what, answer] of ODD)
  test(`an answer that ${what} is not passed on, and its request is sent once`, async (t) => {
    const { server, send } = await setUp(t, ({ socket }) => socket.write(answer));
    await rejects(t, send());
    assert.equal(server.requests.length, 1);
  });

test("headers are in lower case, each once, without those too long for a guest", async (t) => {
  const { send } = await setUp(t, ({ socket }) =>
    socket.write(
      ok(
        "",
        "X-Many: a",
        "x-many: b",
        "Set-Cookie: a=1",
        "set-cookie: b=2",
        `x-long: ${"a".repeat(1025)}`,
        `x-max: ${"a".repeat(1024)}`,
        "__proto__: a",
      ),
    ),
  );
  const { headers } = await send();
  assert.deepEqual(Object.keys(headers).sort(), [
    "__proto__",
    "content-length",
    "set-cookie",
    "x-many",
    "x-max",
  ]);
  assert.equal(headers["x-many"], "a, b");
  assert.equal(({} as Record<string, unknown>).a, undefined);
});

test("a cookie is not stored for the next request", async (t) => {
  const { server, send } = await setUp(t, ({ socket }) => socket.write(ok("", "set-cookie: a=1")));
  await send();
  await send();
  assert.doesNotMatch(server.requests[1]?.head ?? "", /cookie/i);
});

test("a chunked answer is joined, and its trailers are dropped", async (t) => {
  const { send } = await setUp(t, ({ socket }) =>
    socket.write(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nx-trailer: 1\r\n\r\n",
    ),
  );
  const answer = await send();
  assert.equal(text(answer), "abc");
  assert.deepEqual(Object.keys(answer.headers), ["transfer-encoding"]);
});

for (const [when, second] of [
  ["with the first", (socket: import("node:net").Socket) => socket.write(ok("first") + ok("smuggled"))],
  [
    "after the first",
    (socket: import("node:net").Socket) => {
      socket.write(ok("first"));
      setTimeout(() => socket.write(ok("smuggled")), 20);
    },
  ],
] as const)
  test(`a second answer that comes ${when} is not the answer to the next request`, async (t) => {
    const { server, send } = await setUp(t, ({ socket, ordinal }) =>
      ordinal === 1 ? second(socket) : socket.write(ok("next")),
    );
    assert.equal(text(await send()), "first");
    if (when === "after the first") await sleep(100);
    assert.equal(text(await send()), "next");
    assert.equal(server.connections, 2);
  });

test("bytes after the end of an answer are not the start of the next one", async (t) => {
  const { send } = await setUp(t, ({ socket, ordinal }) =>
    socket.write(
      ordinal === 1 ? `${ok("first")}HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmug` : ok("next"),
    ),
  );
  assert.equal(text(await send()), "first");
  assert.equal(text(await send()), "next");
});

test("200 callers share the granted connections, and each gets its own answer", async (t) => {
  let most = 0;
  const { server, send } = await setUp(t, ({ socket, body }) => {
    most = Math.max(most, server.open.size);
    setTimeout(() => socket.write(ok(body)), 2);
  });
  const numbers = Array.from({ length: 200 }, (_, i) => `${i}`);
  const answers = await Promise.all(numbers.map((body) => send({ ...POST, body: Buffer.from(body) })));
  assert.deepEqual(answers.map(text), numbers);
  assert.equal(most, 4);
  assert.equal(server.connections, 4);
});

test("no request is sent over a connection before the previous one is answered", async (t) => {
  const unanswered: number[] = [];
  const { server, send } = await setUp(
    t,
    ({ socket, ordinal }) => {
      setTimeout(() => {
        unanswered.push(server.requests.length - ordinal);
        socket.write(ok());
      }, 20);
    },
    { connections: 1 },
  );
  await send(GET);
  // Over an open connection, and with a method that HTTP allows to pipeline.
  await Promise.all([send(GET), send(GET), send(GET)]);
  assert.deepEqual(unanswered, [0, 0, 0, 0]);
});

test("requests that wait for a connection end with their own time-out, and are never sent", async (t) => {
  const { server, transport } = await setUp(t, () => {}, { connections: 2 });
  const held = new AbortController();
  const holding = [0, 1].map(() => transport.send(POST, held.signal));
  await until(() => server.requests.length === 2);
  const waiting = new AbortController();
  const asked = [0, 1, 2].map(() => transport.send(POST, waiting.signal));
  await sleep(20);
  waiting.abort(new Unreachable("given up"));
  for (const one of asked) await rejects(t, one);
  held.abort(new Unreachable("given up"));
  for (const one of holding) await rejects(t, one);
  await until(() => server.open.size === 0);
  assert.equal(server.requests.length, 2);
});

test("an aborted request frees its connection for the next one", async (t) => {
  const { server, transport, send } = await setUp(
    t,
    ({ socket, ordinal }) => {
      if (ordinal > 1) socket.write(ok("next"));
    },
    { connections: 1 },
  );
  const over = new AbortController();
  const first = transport.send(POST, over.signal);
  await until(() => server.requests.length === 1);
  over.abort(new Unreachable("given up"));
  await rejects(t, first);
  assert.equal(text(await send()), "next");
});

test("a request that is aborted before it starts is not sent", async (t) => {
  const { server, transport } = await setUp(t, ({ socket }) => socket.write(ok()));
  const signal = AbortSignal.abort(new Unreachable("given up"));
  await rejects(t, transport.send(POST, signal));
  assert.equal(server.connections, 0);
});

test("close() ends running requests and all connections, and nothing is sent afterwards", async (t) => {
  const { server, transport, send } = await setUp(
    t,
    ({ socket, ordinal }) => {
      if (ordinal === 1) socket.write(ok());
    },
    { connections: 2 },
  );
  await send();
  const asked = Array.from({ length: 5 }, () => assert.rejects(send(), unreachable(/./)));
  await until(() => server.requests.length === 3);
  await transport.close();
  await Promise.all(asked);
  await until(() => server.open.size === 0);
  await assert.rejects(send(), unreachable(/./));
  assert.equal(server.requests.length, 3);
});

test("a port without a listener is reported as refusing connections", async (t) => {
  const { server, send } = await setUp(t, () => {});
  await server.stop();
  await rejects(t, send());
});

test("a proxy of the environment is not used", async (t) => {
  const proxy = await RawServer.start(t, ({ socket }) => socket.end(ok("proxy")));
  const names = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
  const before = names.map((name) => [name, process.env[name]] as const);
  t.after(() => {
    for (const [name, value] of before)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  });
  for (const name of names) process.env[name] = `http://127.0.0.1:${proxy.port}`;
  process.env.NODE_USE_ENV_PROXY = "1";
  t.after(() => {
    delete process.env.NODE_USE_ENV_PROXY;
  });
  const { send } = await setUp(t, ({ socket }) => socket.write(ok("server")));
  assert.equal(text(await send()), "server");
  assert.equal(proxy.connections, 0);
});

test("a body is not copied: the guest's own buffer is sent", async (t) => {
  const { server, send } = await setUp(t, ({ socket }) => socket.write(ok()));
  const body = Buffer.alloc(48 * 1024, "b");
  await send({ ...POST, body });
  assert.equal(server.requests[0]?.body, body.toString("latin1"));
});
