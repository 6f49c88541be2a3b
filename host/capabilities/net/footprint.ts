/** The servers that grants of an origin and their logins lead to, and the files of its TLS and its credential. */
import type { Footprint } from "../capability.ts";
import type { NetConfig } from "./grant.ts";
import { secretFilesOf, serversOf } from "./login/secret-files.ts";

export function footprintOf(grants: readonly NetConfig[]): Footprint {
  return {
    reads: grants.flatMap(({ tls: { ca, crl, client }, credential }) => [
      ...[ca, crl, client?.certificate, client?.key].filter((file) => file !== undefined),
      ...(credential === undefined ? [] : secretFilesOf(credential)),
    ]),
    // the brackets of an IPv6 address belong to the URL
    servers: grants.flatMap(({ origin, credential }) =>
      [origin, ...(credential === undefined ? [] : serversOf(credential))].map((url) =>
        new URL(url).hostname.replace(/^\[(.*)\]$/, "$1"),
      ),
    ),
  };
}
