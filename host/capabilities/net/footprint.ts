/** The server that grants of an origin lead to, and the files of its TLS and its credential. */
import type { Footprint } from "../capability.ts";
import type { NetConfig } from "./grant.ts";
import { secretFilesOf } from "./login/secret-files.ts";

export function footprintOf(grants: readonly NetConfig[]): Footprint {
  return {
    reads: grants.flatMap(({ tls: { ca, crl, client }, credential }) => [
      ...[ca, crl, client?.certificate, client?.key].filter((file) => file !== undefined),
      ...(credential === undefined ? [] : secretFilesOf(credential)),
    ]),
    // the brackets of an IPv6 address belong to the URL
    servers: grants.map(({ origin }) => new URL(origin).hostname.replace(/^\[(.*)\]$/, "$1")),
  };
}
