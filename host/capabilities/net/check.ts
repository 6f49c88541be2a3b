/** Checks the files that a grant of an origin names (TLS and secrets), for `kleidi check`. Sends nothing. */
import { type Finding, withEnd } from "../../finding.ts";
import type { GrantContext } from "../capability.ts";
import { Dialer } from "./dial.ts";
import { Unreachable } from "./exchange.ts";
import type { NetConfig } from "./grant.ts";
import { secretFileFaults } from "./login/secret-files.ts";

const HINT =
  "The user that the host runs as must be able to read the files, and no other user those with secrets (docs/operate/credentials.md).";

const RENEW =
  "Put a newer certificate and its key where tls.certificate and tls.key are; the host reads them at its next connection.";

export function checkFiles({ grants }: GrantContext<NetConfig>): Finding[] {
  return [...grants].flatMap(([name, net]) => {
    const subject = `net ${name} files`;
    const faults = [...tlsFaults(net), ...(net.credential ? secretFileFaults(net.credential) : [])];
    if (faults.length === 0)
      return [
        { subject, ok: true, detail: "the files of tls and credential are usable" },
        ...certificateFindings(name, net),
      ];
    return faults.map((detail): Finding => ({ subject, ok: false, detail, hint: HINT }));
  });
}

/**
 * Reports on the end of the host's own certificate; nothing if there is none.
 * @throws Unreachable a file of `tls` is unusable
 */
export function certificateFindings(provider: string, net: NetConfig): Finding[] {
  const end = new Dialer(net).ownEnd();
  if (end === undefined) return [];
  const subject = `net ${provider} certificate`;
  const detail = `that of the host, ${end.subject}, is valid until ${new Date(end.at).toISOString().slice(0, 10)}`;
  if (end.at <= Date.now()) return [{ subject, ok: false, detail, hint: RENEW }];
  return [withEnd({ subject, ok: true, detail }, end, RENEW)];
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
