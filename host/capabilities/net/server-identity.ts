/** Whether a certificate that its CA stands for is the expected server's. */
import { checkServerIdentity, type DetailedPeerCertificate, type PeerCertificate } from "node:tls";

/** id-pe-tlsfeature (RFC 7633), as DER writes it: "OCSP Must-Staple". */
const TLS_FEATURE = Buffer.from("06082b06010505070118", "hex");

/** What is wrong with the certificate, for faults.ts; undefined where it is the server's. */
export function identityFault(expected: string, certificate: PeerCertificate): Error | undefined {
  // Without the subject: Node takes its common name where there is no name for a host (RFC 9525, 6.3: never).
  const named = { ...certificate, subject: {} } as unknown as DetailedPeerCertificate;
  const fault = checkServerIdentity(expected, named);
  if (fault !== undefined) {
    const { subjectaltname = "" } = certificate;
    return /(^|, )(DNS|IP Address):/.test(subjectaltname)
      ? fault
      : coded("no host name", "KLEIDI_NO_HOST_NAME");
  }
  // Whose promise to bring proof of not being revoked is not looked at is not believed without it.
  if (certificate.raw?.includes(TLS_FEATURE)) return coded("must be stapled", "KLEIDI_MUST_STAPLE");
  return undefined;
}

function coded(message: string, code: string): Error {
  return Object.assign(new Error(message), { code });
}
