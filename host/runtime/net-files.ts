/** What `kleidi check` says of the files that a grant of an origin names: TLS and secrets. Nothing is asked. */

import { Dialer } from "../capabilities/net/dial.ts";
import { Unreachable } from "../capabilities/net/exchange.ts";
import { secretFileFaults } from "../capabilities/net/login/credential.ts";
import type { Config, NetGrantConfig } from "../config/config.ts";
import type { Finding } from "./finding.ts";

const HINT =
  "The user that the host runs as must be able to read the files, and nobody else those with secrets (docs/running.md).";

export function netFileFindings({ providers }: Config): Finding[] {
  return providers.flatMap(({ name, grants: { net } }) => {
    if (net === undefined) return [];
    const what = `net ${name} files`;
    const faults = [...tlsFaults(net), ...(net.credential ? secretFileFaults(net.credential) : [])];
    if (faults.length === 0)
      return [{ what, ok: true, detail: "the files of tls and credential can be used" }];
    return faults.map((detail): Finding => ({ what, ok: false, detail, hint: HINT }));
  });
}

function tlsFaults(net: NetGrantConfig): string[] {
  try {
    new Dialer(net).assertFiles();
    return [];
  } catch (error) {
    if (error instanceof Unreachable) return [error.message];
    throw error;
  }
}
