/**
 * The admin listener: HTTP for probes, scrapes, `kleidi check` and people. It reveals no secrets. GET changes no state; POST performs the
 * actions of a host that offers any.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createNetServer, isIP, type Socket } from "node:net";
import { KleidiError } from "../error.ts";
import { ACTION_MS, type ActionResult, type AdminActions, shared } from "./admin-actions.ts";
import { type AdminCloseReason, AdminConnections } from "./admin-connections.ts";
import { cachedFor } from "./cached-for.ts";
import { page } from "./page.ts";
import { POLICY } from "./page-style.ts";
import type { HostReport } from "./report.ts";
import { RequestPacer } from "./request-pacer.ts";

// An import statement would read every export of the module; one of them loads Node's WebSocket client: 35 ms, and 17 MB of memory.
const { createServer } = process.getBuiltinModule("node:http");

export interface AdminOptions {
  /** The metrics in the Prometheus text format. */
  readonly metrics: () => Promise<string>;
  /** The reason why the host is not ready, as a sentence; undefined if it is ready. */
  readonly notReadyReason: () => string | undefined;
  /** A line for /readyz beside "ok": something that needs attention and stops no call. */
  readonly remark?: () => string | undefined;
  /** The report for /state and for the page. */
  readonly state: () => HostReport;
  /** Absent: the listener is read-only. */
  readonly actions?: AdminActions | undefined;
  /** Called when a connection exceeds a limit; clients can cause this at will. */
  readonly onClosed?: (reason: AdminCloseReason) => void;
}

/** Serves HTTP on connections of any listener. */
export interface Admin {
  accept(socket: Socket): void;
  close(): void;
}

/** A listening address. */
interface AdminListener {
  close(): void;
}

// All callers within this time share one rendering: rendering blocks RPCs for milliseconds.
const CACHE_MS = 1_000;
// Milliseconds between two answers: 128 connections are answered in 0.7 s, and RPCs run in between.
const PACE_MS = 5;

const TEXT = "text/plain; charset=utf-8";
const PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8";
const JSON_TYPE = "application/json";
const READ_ONLY = "only GET and HEAD are allowed";
const HTML_TYPE = "text/html; charset=utf-8";

/** Creates the HTTP server of the admin listener; it listens on no address itself. */
export function createAdmin({
  metrics,
  notReadyReason,
  remark = () => undefined,
  state,
  actions,
  onClosed = () => {},
}: AdminOptions): Admin {
  // Who asks after an action, such as a reload, sees what it changed.
  let ended = 0;
  const cached = <T>(make: () => T) => cachedFor(CACHE_MS, make, () => ended);
  const report = cached(state);
  const bytes = (make: () => string) => cached(() => Buffer.from(make()));
  const counted = (run: () => Promise<ActionResult>) => () =>
    run().finally(() => {
      ended += 1;
    });
  const content: Content = {
    notReadyReason,
    remark,
    metrics: cached(async () => Buffer.from(await metrics())),
    page: bytes(() => page(report())),
    state: bytes(() => `${JSON.stringify(report())}\n`),
    actions: actions && new Map([...actions].map(([path, run]) => [path, shared(counted(run))])),
  };
  const pacer = new RequestPacer(PACE_MS);
  const served = new WeakSet<Socket>();
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    if (served.has(socket)) return void socket.destroy();
    served.add(socket);
    // Data after the request is not read.
    socket.pause();
    response.shouldKeepAlive = false;
    if (request.method === "POST" && actions !== undefined) connections.prolong(socket, ACTION_MS);
    const cancel = pacer.schedule(() => void answer(content, request, response));
    socket.once("close", cancel);
  };
  const http = createServer(onRequest);
  // Without this handler, Node answers the request itself and continues to read.
  http.on("checkExpectation", onRequest);
  const connections = new AdminConnections((socket) => http.emit("connection", socket), onClosed);
  return {
    accept: (socket) => connections.accept(socket),
    close: () => connections.closeAll(),
  };
}

/**
 * Listens on a TCP address.
 * @param address the host and the port to listen on; port 0 chooses a free one
 * @param onConnection receives each connection as a paused socket
 * @returns the listener with its actual port
 * @throws KleidiError admin-refused
 */
export async function listenOnAddress(
  { host, port }: { readonly host: string; readonly port: number },
  onConnection: (socket: Socket) => void,
): Promise<AdminListener & { readonly port: number }> {
  const server = createNetServer({ pauseOnConnect: true }, onConnection);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const message = `Cannot listen on ${host}:${port} for metrics and probes: the system refuses it (${error.code})`;
      reject(new KleidiError("admin-refused/address", message, error));
    });
    server.listen(port, host, resolve);
  });
  // Accepting can fail for lack of descriptors: that connection is lost, the listener continues.
  server.on("error", () => {});
  return { port: (server.address() as { port: number }).port, close: () => void server.close() };
}

interface Content {
  readonly metrics: () => Promise<Buffer>;
  readonly notReadyReason: AdminOptions["notReadyReason"];
  readonly remark: () => string | undefined;
  readonly page: () => Buffer;
  readonly state: () => Buffer;
  readonly actions: AdminActions | undefined;
}

async function answer(content: Content, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const respond = (status: number, type: string, text: string | Buffer) => {
    response.writeHead(status, {
      "content-type": type,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "content-security-policy": POLICY,
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
    });
    response.end(request.method === "HEAD" ? undefined : text);
  };
  try {
    // DNS rebinding: a browser lets a web page whose name resolves to this address read the answers.
    if (!isDirect(request.headers.host))
      return respond(403, TEXT, "use an IP address or localhost as the host name\n");
    const { method } = request;
    if (method === "POST" && content.actions !== undefined)
      return await act(content.actions, request.url ?? "", respond);
    if (method !== "GET" && method !== "HEAD") return respond(405, TEXT, `${allowed(content)}\n`);
    if (request.url === "/") return respond(200, HTML_TYPE, content.page());
    if (request.url === "/livez") return respond(200, TEXT, "ok\n");
    if (request.url === "/readyz") {
      const why = content.notReadyReason();
      if (why !== undefined) return respond(503, TEXT, `${why}\n`);
      const remark = content.remark();
      return respond(200, TEXT, remark === undefined ? "ok\n" : `ok\n${remark}\n`);
    }
    if (request.url === "/metrics") return respond(200, PROMETHEUS, await content.metrics());
    if (request.url === "/state") return respond(200, JSON_TYPE, content.state());
    return respond(404, TEXT, "not found; the paths are /, /metrics, /livez, /readyz and /state\n");
  } catch {
    if (!response.headersSent) respond(500, TEXT, "internal error\n");
  }
}

function allowed({ actions }: Content): string {
  return actions === undefined ? READ_ONLY : "only GET, HEAD and POST are allowed";
}

async function act(
  actions: AdminActions,
  path: string,
  respond: (status: number, type: string, text: string) => void,
): Promise<void> {
  const run = actions.get(path);
  if (run === undefined)
    return respond(404, TEXT, `not found; the actions are ${[...actions.keys()].join(", ")}\n`);
  const result = await run();
  respond(result.ok ? 200 : 409, JSON_TYPE, `${JSON.stringify(result)}\n`);
}

function isDirect(header: string | undefined): boolean {
  const name = (header ?? "").replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return name === "localhost" || isIP(name) !== 0;
}
