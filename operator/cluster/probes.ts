/** The listener for probes and scrapes: /healthz, /readyz and /metrics. */
import { createServer, type Server } from "node:http";

export interface ProbeOptions {
  readonly host: string;
  readonly port: number;
  /** In the Prometheus text format. */
  readonly metrics: () => Promise<string>;
  /** The reason why the program is not ready; undefined if it is ready. */
  readonly unready: () => string | undefined;
}

/** @returns the server, once it is listening */
export async function serveProbes({ host, port, metrics, unready }: ProbeOptions): Promise<Server> {
  const answers: Record<string, () => Promise<readonly [number, string]>> = {
    "/healthz": async () => [200, "ok\n"],
    "/readyz": async () => (unready() === undefined ? [200, "ok\n"] : [503, `${unready()}\n`]),
    "/metrics": async () => [200, await metrics()],
  };
  const server = createServer({ requestTimeout: 5000, headersTimeout: 5000 }, async (request, response) => {
    const answer = answers[request.url ?? ""];
    const [code, text] =
      answer === undefined || request.method !== "GET" ? [404, "not found\n"] : await answer();
    response.writeHead(code, {
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
      connection: "close",
    });
    response.end(text);
  });
  server.maxConnections = 32;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  return server;
}
