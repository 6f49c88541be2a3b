/**
 * Accepts connections while no host can, and lets calls wait: a gRPC client gives up a connection that is not answered for 20 s, and tries
 * again after pauses that grow to two minutes. It answers with the settings of HTTP/2 that allow no request, and reads nothing. When the
 * host serves, the holder ends this process; the clients connect again at once, and send the calls that waited.
 */
import { createServer } from "node:net";

/** A SETTINGS frame with SETTINGS_MAX_CONCURRENT_STREAMS = 0 (RFC 9113, sections 3.4, 6.5). */
const NO_REQUESTS = Uint8Array.of(0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0);
const MAX_CONNECTIONS = 256;

/** @type {Set<import("node:net").Socket>} in order of arrival */
const connections = new Set();
const server = createServer((connection) => {
  const [oldest] = connections;
  if (connections.size >= MAX_CONNECTIONS) oldest?.destroy();
  connections.add(connection);
  connection.on("error", () => {});
  connection.once("close", () => connections.delete(connection));
  connection.resume().write(NO_REQUESTS);
});
server.on("error", () => {});
server.listen({ fd: 3 });
// It does not outlive the holder.
process.stdin.once("end", () => process.exit()).resume();
