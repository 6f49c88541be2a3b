/**
 * The admin listener: read-only HTTP for probes, scrapes, `kleidi check` and people. It tells nothing that is secret, and changes nothing.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { isIP } from "node:net";
import { KleidiError } from "../error.ts";
import { page } from "./page.ts";
import { POLICY } from "./page-style.ts";
import type { HostReport } from "./report.ts";

export interface AdminOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** The text of Prometheus. */
  readonly metrics: () => Promise<string>;
  /** Why the host is not ready, in a sentence; undefined: it is. */
  readonly unready: () => string | undefined;
  /** Becomes JSON, and the page. */
  readonly state: () => HostReport;
}

export interface Admin {
  readonly port: number;
  close(): Promise<void>;
}

const TEXT = "text/plain; charset=utf-8";
const PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8";
const JSON_TYPE = "application/json";
const HTML_TYPE = "text/html; charset=utf-8";

/** @throws KleidiError admin-refused */
export async function listenAdmin(options: AdminOptions): Promise<Admin> {
  const { host, port } = options;
  const server = createServer({ maxHeaderSize: 8192, requestTimeout: 5000 }, (request, response) => {
    void answer(options, request, response);
  });
  server.maxConnections = 64;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const message = `Cannot listen on ${host}:${port} for metrics and probes: the system refuses it (${error.code})`;
      reject(new KleidiError("admin-refused", message, error));
    });
    server.listen(port, host, resolve);
  });
  return { port: (server.address() as { port: number }).port, close: () => close(server) };
}

async function answer(
  options: AdminOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const say = (status: number, type: string, text: string) => {
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
    if (request.url === "/") return say(200, HTML_TYPE, page(options.state()));
    if (request.url === "/livez") return say(200, TEXT, "ok\n");
    if (request.url === "/readyz") {
      const why = options.unready();
      return why === undefined ? say(200, TEXT, "ok\n") : say(503, TEXT, `${why}\n`);
    }
    if (request.url === "/metrics") return say(200, PROMETHEUS, await options.metrics());
    if (request.url === "/state") return say(200, JSON_TYPE, `${JSON.stringify(options.state())}\n`);
    return say(404, TEXT, "there are /, /metrics, /livez, /readyz and /state\n");
  } catch {
    say(500, TEXT, "this could not be answered\n");
  }
}

function isDirect(header: string | undefined): boolean {
  const name = (header ?? "").replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return name === "localhost" || isIP(name) !== 0;
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
