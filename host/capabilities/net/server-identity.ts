/** Checks that a certificate, already verified against its CA, belongs to the expected server. */
import { checkServerIdentity, type DetailedPeerCertificate, type PeerCertificate } from "node:tls";

/** id-pe-tlsfeature (RFC 7633), as DER writes it: "OCSP Must-Staple". */
const TLS_FEATURE = Buffer.from("06082b06010505070118", "hex");

/** The fault of the certificate, for faults.ts; undefined if it is the server's. */
export function identityFault(expected: string, certificate: PeerCertificate): Error | undefined {
  // Without the subject, because Node falls back to its common name (RFC 9525, 6.3 forbids that).
  const named = { ...certificate, subject: {} } as unknown as DetailedPeerCertificate;
  const fault = checkServerIdentity(expected, named);
  if (fault !== undefined) {
    const { subjectaltname = "" } = certificate;
    return /(^|, )(DNS|IP Address):/.test(subjectaltname)
      ? fault
      : coded("no host name", "KLEIDI_NO_HOST_NAME");
  }
  // Must-Staple promises a proof of non-revocation, which the host does not check: refused.
  if (certificate.raw?.includes(TLS_FEATURE)) return coded("must be stapled", "KLEIDI_MUST_STAPLE");
  return undefined;
}

function coded(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}
