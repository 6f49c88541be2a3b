/**
 * The program of the resolver process (resolver-process.ts): it receives a name and sends its addresses or a code. It resolves names as
 * every program of the machine does (getaddrinfo: /etc/hosts, nsswitch.conf, resolv.conf). A hanging lookup hangs here and not in the host.
 */
import { lookup } from "node:dns/promises";

process.on("message", async (name) => {
  if (typeof name !== "string") return;
  try {
    const found = await lookup(name, { all: true, order: "verbatim" });
    process.send?.({ name, addresses: found.map(({ address }) => address) });
  } catch (error) {
    process.send?.({ name, code: String(/** @type {{ code?: unknown }} */ (error).code) });
  }
});
// Not process.exit(): that would wait for the threads that hang.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
// A unit's or a terminal's signal goes to every process: the host says when this one ends.
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => {});
