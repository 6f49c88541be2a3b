/**
 * The admin listener: read-only HTTP for probes, scrapes, `kleidi check` and people. It tells nothing that is secret, and changes nothing.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createNetServer, isIP, type Socket } from "node:net";
import { KleidiError } from "../error.ts";
import { type AdminCloseReason, AdminConnections } from "./admin-connections.ts";
import { page } from "./page.ts";
import { POLICY } from "./page-style.ts";
import type { HostReport } from "./report.ts";
import { Pace, sharedFor } from "./shared.ts";

export interface AdminOptions {
  /** The text of Prometheus. */
  readonly metrics: () => Promise<string>;
  /** Why the host is not ready, in a sentence; undefined: it is. */
  readonly unready: () => string | undefined;
  /** Becomes JSON, and the page. */
  readonly state: () => HostReport;
  /** As often as callers like. */
  readonly onClosed?: (reason: AdminCloseReason) => void;
}

/** Answers on connections, wherever they come from. */
export interface Admin {
  accept(socket: Socket): void;
  close(): void;
}

/** An address that is listened on. */
export interface AdminListener {
  close(): void;
}

// One rendering for all who ask: it takes milliseconds in which no RPC is answered.
const SHARED_MS = 1_000;
// Milliseconds between two answers. 128 connections are answered in 0.7 s, and leave the processor to the RPCs.
const PACE_MS = 5;

const TEXT = "text/plain; charset=utf-8";
const PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8";
const JSON_TYPE = "application/json";
const HTML_TYPE = "text/html; charset=utf-8";

export function createAdmin({ metrics, unready, state, onClosed = () => {} }: AdminOptions): Admin {
  const report = sharedFor(SHARED_MS, state);
  const bytes = (make: () => string) => sharedFor(SHARED_MS, () => Buffer.from(make()));
  const content: Content = {
    unready,
    metrics: sharedFor(SHARED_MS, async () => Buffer.from(await metrics())),
    page: bytes(() => page(report())),
    state: bytes(() => `${JSON.stringify(report())}\n`),
  };
  const pace = new Pace(PACE_MS);
  const asked = new WeakSet<Socket>();
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    if (asked.has(socket)) return void socket.destroy();
    asked.add(socket);
    // What comes after the request is not read.
    socket.pause();
    response.shouldKeepAlive = false;
    const giveUp = pace.turn(() => void answer(content, request, response));
    socket.once("close", giveUp);
  };
  const http = createServer(onRequest);
  // Node answers it by itself otherwise, and reads on.
  http.on("checkExpectation", onRequest);
  const connections = new AdminConnections((socket) => http.emit("connection", socket), onClosed);
  return {
    accept: (socket) => connections.accept(socket),
    close: () => connections.closeAll(),
  };
}

/**
 * @param port 0: any free one
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
      reject(new KleidiError("admin-refused", message, error));
    });
    server.listen(port, host, resolve);
  });
  // Out of descriptors for a moment: the connection is lost, the host is not.
  server.on("error", () => {});
  return { port: (server.address() as { port: number }).port, close: () => void server.close() };
}

interface Content {
  readonly metrics: () => Promise<Buffer>;
  readonly unready: AdminOptions["unready"];
  readonly page: () => Buffer;
  readonly state: () => Buffer;
}

async function answer(content: Content, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const say = (status: number, type: string, text: string | Buffer) => {
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
    if (request.method !== "GET" && request.method !== "HEAD")
      return say(405, TEXT, "only GET is answered\n");
    // A web page that has its own name resolve to this address would be let in by the browser.
    if (!isDirect(request.headers.host)) return say(403, TEXT, "ask by address or as localhost\n");
    if (request.url === "/") return say(200, HTML_TYPE, content.page());
    if (request.url === "/livez") return say(200, TEXT, "ok\n");
    if (request.url === "/readyz") {
      const why = content.unready();
      return why === undefined ? say(200, TEXT, "ok\n") : say(503, TEXT, `${why}\n`);
    }
    if (request.url === "/metrics") return say(200, PROMETHEUS, await content.metrics());
    if (request.url === "/state") return say(200, JSON_TYPE, content.state());
    return say(404, TEXT, "there are /, /metrics, /livez, /readyz and /state\n");
  } catch {
    if (!response.headersSent) say(500, TEXT, "this could not be answered\n");
  }
}

function isDirect(header: string | undefined): boolean {
  const name = (header ?? "").replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return name === "localhost" || isIP(name) !== 0;
}
