/**
 * A process that listens on command, like a host at its start, for tests of races. Reads lines "TIME SOCKET" (milliseconds of Date.now()),
 * tries to listen at that time, and prints "listening" or the failure's code; at "close" it closes its listener.
 */
import { createInterface } from "node:readline";
import { type Listener, listen } from "../../host/grpc/listener.ts";

let listener: Listener | undefined;
console.log("up");
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "close") {
    listener?.close();
    listener = undefined;
    console.log("closed");
    continue;
  }
  const [time = "", socket = ""] = line.split(" ");
  // Not a timer: two timers would fire milliseconds apart.
  while (Date.now() < Number(time));
  try {
    listener = await listen({ socket, mode: 0o600 }, (connection) => connection.destroy());
    console.log("listening");
  } catch (error) {
    console.log((error as { code?: string }).code);
  }
}
