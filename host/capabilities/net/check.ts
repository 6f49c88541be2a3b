/** Checks the files that a grant of an origin names (TLS and secrets), for `kleidi check`. Sends nothing. */
import type { Finding } from "../../finding.ts";
import type { GrantContext } from "../capability.ts";
import { Dialer } from "./dial.ts";
import { Unreachable } from "./exchange.ts";
import type { NetConfig } from "./grant.ts";
import { secretFileFaults } from "./login/secret-files.ts";

const HINT =
  "The user that the host runs as must be able to read the files, and no other user those with secrets (docs/running.md).";

export function checkFiles({ grants }: GrantContext<NetConfig>): Finding[] {
  return [...grants].flatMap(([name, net]) => {
    const subject = `net ${name} files`;
    const faults = [...tlsFaults(net), ...(net.credential ? secretFileFaults(net.credential) : [])];
    if (faults.length === 0)
      return [{ subject, ok: true, detail: "the files of tls and credential are usable" }];
    return faults.map((detail): Finding => ({ subject, ok: false, detail, hint: HINT }));
  });
}

function tlsFaults(net: NetConfig): string[] {
  try {
    new Dialer(net).assertFiles();
    return [];
  } catch (error) {
    if (error instanceof Unreachable) return [error.message];
    throw error;
  }
}
