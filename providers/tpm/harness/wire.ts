/**
 * The worker of swtpm.ts: it owns the socket, writes a command in one write and returns the complete response. The other side sleeps
 * meanwhile, because the stand-in's host calls are synchronous.
 */
import { connect } from "node:net";
import { workerData } from "node:worker_threads";
import type { Wire } from "./swtpm.ts";

const { path, port, flag } = workerData as Wire;
const socket = connect(path);
let received = Buffer.alloc(0);

function answer(value: Uint8Array | string): void {
  port.postMessage(value);
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
}

socket.on("data", (chunk) => {
  received = Buffer.concat([received, chunk]);
  if (received.length < 10 || received.length < received.readUInt32BE(2)) return;
  answer(new Uint8Array(received));
  received = Buffer.alloc(0);
});
socket.on("error", (error) => answer(String(error)));
port.on("message", (command: Uint8Array | null) => {
  if (command !== null) return void socket.write(command);
  // swtpm accepts the next client when this one has disconnected.
  socket.on("close", () => {
    answer("closed");
    port.close();
  });
  socket.end();
});
