/** Checks the files that a grant of an origin names (TLS and secrets), for `kleidi check`. Sends nothing. */
import { type Finding, withEnd } from "../../finding.ts";
import type { GrantContext } from "../capability.ts";
import type { CertificateEnd, FileEnds } from "./certificate-end.ts";
import { Dialer } from "./dial.ts";
import { Unreachable } from "./exchange.ts";
import type { NetConfig } from "./grant.ts";
import { secretFileFaults } from "./login/secret-files.ts";

const HINT =
  "The user that the host runs as must be able to read the files, and no other user those with secrets (docs/operate/credentials.md).";

/** What a file of `tls` contains and ends. */
const ENDING = {
  "client-certificate": {
    subject: "certificate",
    name: (subject: string) => `that of the host, ${subject},`,
    hint: "Put a newer certificate and its key where tls.certificate and tls.key are; the host reads them at its next connection.",
  },
  "revocation-list": {
    subject: "revocation lists",
    name: (subject: string) => `${subject} of tls.crl`,
    hint: "Put the newest list of its CA into tls.crl, with a timer, more often than it expires; after its end no server is trusted. The host reads the file at its next connection.",
  },
} as const;

export function checkFiles({ grants }: GrantContext<NetConfig>): Finding[] {
  return [...grants].flatMap(([name, net]) => {
    const subject = `net ${name} files`;
    const faults = [...tlsFaults(net), ...(net.credential ? secretFileFaults(net.credential) : [])];
    if (faults.length === 0)
      return [
        { subject, ok: true, detail: "the files of tls and credential are usable" },
        ...endFindings(name, net),
      ];
    return faults.map((detail): Finding => ({ subject, ok: false, detail, hint: HINT }));
  });
}

/**
 * Reports on the ends of the host's own certificate and of the revocation lists; nothing of those that are not configured.
 * @throws Unreachable a file of `tls` is unusable
 */
export function endFindings(provider: string, net: NetConfig): Finding[] {
  const ends = Object.entries(new Dialer(net).fileEnds()) as [keyof FileEnds, CertificateEnd?][];
  return ends.flatMap(([kind, end]) => {
    if (end === undefined) return [];
    const { subject, name, hint } = ENDING[kind];
    const expired = end.at <= Date.now();
    const detail = `${name(end.subject)} ${expired ? "expired on" : "is valid until"} ${new Date(end.at).toISOString().slice(0, 10)}`;
    const found = { subject: `net ${provider} ${subject}`, ok: !expired, detail };
    return [expired ? { ...found, hint } : withEnd(found, end, hint)];
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
