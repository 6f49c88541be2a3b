/** Starts the process of a module, with the access of its grant. */
import type { ChildProcess } from "node:child_process";
import { dirname, join } from "node:path";
import type { StartNative } from "../capability.ts";
import type { Pkcs11Config } from "./grant.ts";

const PROGRAM = join(import.meta.dirname, "module", "main.mjs");

export function startOf(
  { module, reads, writes, servers }: Pkcs11Config,
  startNative: StartNative,
): () => ChildProcess | Promise<ChildProcess> {
  // A vendor's libraries are beside its module.
  const access = { reads: [dirname(module), ...reads], writes, network: servers.length > 0 };
  return () => startNative(PROGRAM, access);
}
