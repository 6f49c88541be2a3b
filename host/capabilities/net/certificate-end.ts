/** The ends of the certificates of a connection: of the server's chain, of the host's own, and of the revocation lists. */
import type { X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate } from "node:tls";
import { type Expiry, warningBefore } from "../../lib/expiry.ts";
import { replaceNonAscii } from "../../lib/text.ts";
import { revocationTimes } from "./crl.ts";

export interface CertificateEnd extends Pick<Expiry, "at" | "warningMs"> {
  /** The common name of the certificate's subject, or the place of a list, such as `list 2`. */
  readonly subject: string;
}

/** The ends of what the files of `tls` contain, as they were last read. */
export interface FileEnds {
  readonly "client-certificate"?: CertificateEnd | undefined;
  readonly "revocation-list"?: CertificateEnd | undefined;
}

/** By the object that a warning names. */
export interface CertificateEnds extends FileEnds {
  readonly "server-certificate"?: CertificateEnd | undefined;
}

/** More certificates than a chain has. */
const MAX_CHAIN = 16;

/** @returns the end of the certificate in a server's chain that ends first; undefined without certificates */
export function endOfChain(certificate: DetailedPeerCertificate): CertificateEnd | undefined {
  const ends: CertificateEnd[] = [];
  let each: DetailedPeerCertificate | undefined = certificate;
  while (each?.valid_to !== undefined && ends.length < MAX_CHAIN) {
    ends.push(endOf(commonNameOf(each.subject), Date.parse(each.valid_from), Date.parse(each.valid_to)));
    each = each.issuerCertificate === each ? undefined : each.issuerCertificate;
  }
  return earliest(ends);
}

/** @returns the end of the certificate that ends first; undefined for none */
export function endOfCertificates(certificates: readonly X509Certificate[]): CertificateEnd | undefined {
  return earliest(
    certificates.map(({ subject, validFromDate, validToDate }) =>
      endOf(
        replaceNonAscii(/^CN=(.*)$/m.exec(subject)?.[1] ?? "no common name").slice(0, 64),
        validFromDate.getTime(),
        validToDate.getTime(),
      ),
    ),
  );
}

/** @returns the end of the list that ends first; undefined if none ends */
export function endOfLists(lists: readonly string[]): CertificateEnd | undefined {
  return earliest(
    lists.flatMap((list, i) => {
      const times = revocationTimes(list);
      return times === undefined ? [] : [endOf(`list ${i + 1}`, times.thisUpdate, times.nextUpdate)];
    }),
  );
}

/** The common name; a certificate is not trusted to contain text. */
export function commonNameOf(name: unknown): string {
  const { CN } = (name ?? {}) as { readonly CN?: unknown };
  return typeof CN === "string" ? replaceNonAscii(CN.slice(0, 64)) : "no common name";
}

function endOf(subject: string, from: number, at: number): CertificateEnd {
  return { subject, at, warningMs: warningBefore(at - from) };
}

/** Compares the beginnings of the warnings: a short life warns later. */
function earliest(ends: readonly CertificateEnd[]): CertificateEnd | undefined {
  return ends.toSorted((a, b) => a.at - a.warningMs - (b.at - b.warningMs))[0];
}
