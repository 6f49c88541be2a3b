import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { type AdminOptions, createAdmin, listenOnAddress } from "./admin.ts";
import type { ActionResult } from "./admin-actions.ts";
import { POLICY, STYLE } from "./page-style.ts";
import type { HostReport } from "./report.ts";

const REPORT: HostReport = {
  version: "1.2.3",
  wall: "bubblewrap",
  configurationSha256: "ab".repeat(32),
  startedAt: 0,
  at: 1000,
  providers: {},
  keys: [],
  denials: [],
  changes: [],
};

const ADDRESS = { host: "127.0.0.1", port: 0 };
const OPTIONS: AdminOptions = {
  metrics: async () => "kleidi_x 1\n",
  notReadyReason: () => undefined,
  state: () => REPORT,
};

async function listening(t: TestContext, changes: Partial<AdminOptions> = {}) {
  const admin = createAdmin({ ...OPTIONS, ...changes });
  const listener = await listenOnAddress(ADDRESS, (socket) => admin.accept(socket));
  t.after(() => {
    listener.close();
    admin.close();
  });
  return listener;
}

async function start(t: TestContext, changes: Partial<AdminOptions> = {}) {
  const { port } = await listening(t, changes);
  return (path: string, { method = "GET", host = `127.0.0.1:${port}` } = {}) =>
    new Promise<{ status: number | undefined; type: string | undefined; text: string }>((resolve, reject) => {
      const asking = request(
        { host: "127.0.0.1", port, path, method, headers: { host }, agent: false },
        (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (part) => {
            text += part;
          });
          response.on("end", () =>
            resolve({ status: response.statusCode, type: response.headers["content-type"], text }),
          );
        },
      );
      asking.on("error", reject).end();
    });
}

const TEXT = "text/plain; charset=utf-8";

test("livez is ok even if readyz is not", async (t) => {
  const get = await start(t, { notReadyReason: () => "the key is gone" });
  assert.deepEqual(await get("/livez"), { status: 200, type: TEXT, text: "ok\n" });
});

test("readyz is ok when the host is ready", async (t) => {
  const get = await start(t);
  assert.deepEqual(await get("/readyz"), { status: 200, type: TEXT, text: "ok\n" });
});

test("readyz returns the reason why the host is not ready", async (t) => {
  const get = await start(t, { notReadyReason: () => "the key is gone" });
  assert.deepEqual(await get("/readyz"), { status: 503, type: TEXT, text: "the key is gone\n" });
});

test("metrics use the Prometheus text format", async (t) => {
  const { status, type, text } = await (await start(t))("/metrics");
  assert.deepEqual([status, text], [200, "kleidi_x 1\n"]);
  assert.equal(type, "text/plain; version=0.0.4; charset=utf-8");
});

test("state is JSON", async (t) => {
  const { status, type, text } = await (await start(t))("/state");
  assert.deepEqual([status, type, JSON.parse(text)], [200, "application/json", REPORT]);
});

test("an unknown path is answered with the known paths", async (t) => {
  const { status, text } = await (await start(t))("/etc/passwd");
  assert.equal(status, 404);
  t.assert.snapshot(text);
});

test("a path with a query is an unknown path", async (t) => {
  assert.equal((await (await start(t))("/state?x=1")).status, 404);
});

for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
  test(`${method} is not allowed`, async (t) => {
    const { status, text } = await (await start(t))("/state", { method });
    assert.equal(status, 405);
    t.assert.snapshot(text);
  });
}

function withActions(...actions: [string, () => Promise<ActionResult>][]): Partial<AdminOptions> {
  return { actions: new Map(actions) };
}

test("POST performs the action of its path, and answers with its result", async (t) => {
  const ask = await start(t, withActions(["/refresh", async () => ({ ok: true, keys: 2 })]));
  const { status, type, text } = await ask("/refresh", { method: "POST" });
  assert.deepEqual([status, type, JSON.parse(text)], [200, "application/json", { ok: true, keys: 2 }]);
});

test("after an action, a refused one too, the state is not one of before", async (t) => {
  let changes = 0;
  const act = async () => ({ ok: ++changes > 1 });
  const ask = await start(t, { ...withActions(["/reload", act]), state: () => ({ changes }) as never });
  const seen = async () => JSON.parse((await ask("/state")).text).changes;
  assert.deepEqual([await seen(), await seen()], [0, 0]);
  for (const expected of [1, 2]) {
    await ask("/reload", { method: "POST" });
    assert.equal(await seen(), expected);
  }
});

test("an action that fails is answered with 409", async (t) => {
  const ask = await start(t, withActions(["/refresh", async () => ({ ok: false })]));
  assert.equal((await ask("/refresh", { method: "POST" })).status, 409);
});

test("an action that throws is answered with 500, without the error's text", async (t) => {
  const ask = await start(t, withActions(["/refresh", () => Promise.reject(new Error("secret"))]));
  const { status, text } = await ask("/refresh", { method: "POST" });
  assert.deepEqual([status, text], [500, "internal error\n"]);
});

test("GET never performs an action", async (t) => {
  let runs = 0;
  const act = async () => ({ ok: ++runs > 0 });
  const ask = await start(t, withActions(["/refresh", act]));
  assert.equal((await ask("/refresh")).status, 404);
  assert.equal((await ask("/refresh", { method: "HEAD" })).status, 404);
  assert.equal(runs, 0);
});

test("a POST for a name is refused like a GET", async (t) => {
  let runs = 0;
  const ask = await start(t, withActions(["/refresh", async () => ({ ok: ++runs > 0 })]));
  assert.equal((await ask("/refresh", { method: "POST", host: "kleidi.example" })).status, 403);
  assert.equal(runs, 0);
});

test("a POST for an unknown action is answered with the known ones, PUT with the known methods", async (t) => {
  const ask = await start(t, withActions(["/refresh", async () => ({ ok: true })]));
  const unknown = await ask("/state", { method: "POST" });
  const method = await ask("/refresh", { method: "PUT" });
  assert.deepEqual([unknown.status, method.status], [404, 405]);
  t.assert.snapshot([unknown.text, method.text]);
});

test("the answer to HEAD has no body", async (t) => {
  assert.deepEqual(await (await start(t))("/livez", { method: "HEAD" }), {
    status: 200,
    type: TEXT,
    text: "",
  });
});

for (const host of ["kleidi.example:9464", "localhost.example", "127.0.0.1.example:80"]) {
  test(`a request for ${host} is refused: a name can resolve to any address`, async (t) => {
    const { status, text } = await (await start(t))("/state", { host });
    assert.equal(status, 403);
    t.assert.snapshot(text);
  });
}

for (const host of ["localhost:9464", "127.0.0.1", "[::1]:9464", "10.0.0.7:9464"]) {
  test(`a request for ${host} is answered`, async (t) => {
    assert.equal((await (await start(t))("/livez", { host })).status, 200);
  });
}

test("the text of an internal error does not reach the answer", async (t) => {
  const get = await start(t, {
    state: () => {
      throw new Error("secret");
    },
  });
  assert.deepEqual(await get("/state"), { status: 500, type: TEXT, text: "internal error\n" });
});

test("a port that is in use is refused with its address", async (t) => {
  const { port } = await listening(t);
  await assert.rejects(
    listenOnAddress({ ...ADDRESS, port }, () => {}),
    {
      code: "admin-refused",
      message: `Cannot listen on 127.0.0.1:${port} for metrics and probes: the system refuses it (EADDRINUSE)`,
    },
  );
});

test("the policy of the page allows its own style, and nothing else", async (t) => {
  const { status, type, text } = await (await start(t))("/");
  assert.deepEqual([status, type], [200, "text/html; charset=utf-8"]);
  const [, style = ""] = /<style>(.*?)<\/style>/s.exec(text) ?? [];
  assert.equal(`<style>${style}</style>`, STYLE.element.text);
  assert.ok(POLICY.includes(`style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`));
  assert.match(POLICY, /^default-src 'none'; /);
});

for (const path of ["/", "/metrics", "/livez", "/readyz", "/state", "/nothing"]) {
  test(`${path} has the policy, and forbids caching and content sniffing`, async (t) => {
    const { port } = await listening(t);
    const { headers } = await fetch(`http://127.0.0.1:${port}${path}`);
    assert.equal(headers.get("content-security-policy"), POLICY);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("cache-control"), "no-store");
    assert.equal(headers.get("referrer-policy"), "no-referrer");
  });
}

test("metrics, state and page are computed once for any number of simultaneous requests", async (t) => {
  const made = { metrics: 0, state: 0 };
  const get = await start(t, {
    metrics: async () => `kleidi_x ${++made.metrics}\n`,
    state: () => ({ ...REPORT, at: ++made.state }),
  });
  const begun = performance.now();
  const answers = await Promise.all(
    Array.from({ length: 90 }, (_, i) => get(["/metrics", "/state", "/"][i % 3] ?? "")),
  );
  // Once a second, and a slow machine may take longer than that for 90 requests.
  const most = 1 + Math.floor((performance.now() - begun) / 1000);
  assert.ok(made.metrics <= most && made.state <= most, JSON.stringify({ ...made, most }));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.equal(answers[0]?.text, "kleidi_x 1\n");
});

/** Sends the parts; resolves with all received text when the connection is closed. */
async function send(port: number, ...parts: string[]): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  let text = "";
  socket.setEncoding("utf8").on("data", (part) => {
    text += part;
  });
  const closed = once(socket, "close");
  for (const part of parts) {
    if (!socket.destroyed) socket.write(part);
    // The server must read each part separately: otherwise the first part already exceeds the limit of requests.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await closed;
  return text;
}

const LIVEZ = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

test("1,500 requests after an empty head are not answered, and another connection is", {
  timeout: 60_000,
}, async (t) => {
  const reasons: string[] = [];
  const { port } = await listening(t, { onClosed: (reason) => reasons.push(reason) });
  const [flood, honest] = await Promise.all([send(port, "\r\n\r\n", LIVEZ.repeat(1_500)), send(port, LIVEZ)]);
  assert.equal(flood, "");
  assert.match(honest, /^HTTP\/1.1 200 OK\r\n/);
  assert.deepEqual(reasons, ["empty"]);
});

test("a request with an unknown expectation is the only one of its connection", {
  timeout: 60_000,
}, async (t) => {
  const { port } = await listening(t);
  const text = await send(port, LIVEZ.replace("Host", "Expect: more\r\nHost"), LIVEZ.repeat(1_500));
  assert.equal(text.match(/HTTP\/1.1 /g)?.length, 1);
});
