/** Messages for faults between the host and an origin. They may be shown to a guest: they quote neither libraries nor answers. */
import type { FailedStep } from "../../host-call.ts";

/** The reason why a connection could not be opened or kept, as the end of a sentence. */
export function connectionFault(error: unknown, expected: string): string {
  const code = codeOf(error);
  switch (code) {
    case "ECONNREFUSED":
      return "refuses connections";
    case "ECONNRESET":
      return "closes connections";
    case "CERT_HAS_EXPIRED":
      return "has a certificate that has expired";
    case "CERT_NOT_YET_VALID":
      return "has a certificate that is not valid yet: is the clock right?";
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `has a certificate that is not for ${expected}`;
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
      return `has a certificate whose chain leads to no certificate in tls.ca (without tls.ca: to none that Node comes with); add the certificate of its issuer to tls.ca, or have the server send those in between (${code})`;
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
      return `has a certificate that no CA in tls.ca has issued (${code})`;
    case "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION":
    case "ERR_SSL_UNSUPPORTED_PROTOCOL":
      return `does not support the TLS version of tls.minimum (${code})`;
    case "ERR_SSL_WRONG_VERSION_NUMBER":
    case "ERR_SSL_PACKET_LENGTH_TOO_LONG":
      return `does not speak TLS (${code})`;
    case "INVALID_PURPOSE":
      return `has a certificate that is not for servers (${code})`;
    case "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED":
    case "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE":
    case "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE":
      return `rejects the host's TLS settings, or requires a client certificate (tls.certificate) (${code})`;
    case "KLEIDI_NO_HOST_NAME":
      return `has a certificate without a host name in its subjectAltName, the common name does not count; issue one with DNS:${expected} or its address`;
    case "KLEIDI_MUST_STAPLE":
      return "has a certificate that requires a stapled OCSP answer (Must-Staple), which kleidi does not support; issue one without it, and use tls.crl";
    case "CERT_REVOKED":
      return `has a certificate that its CA has revoked (${code})`;
    case "UNABLE_TO_GET_CRL":
      return `has a certificate by a CA whose revocation list is not in tls.crl; add the list of every CA of the chain (${code})`;
    case "CRL_HAS_EXPIRED":
      return `cannot be verified: a revocation list in tls.crl has expired; put the CA's newest one there (${code})`;
    case "CRL_NOT_YET_VALID":
      return `cannot be verified: a revocation list in tls.crl is not valid yet: is the clock right? (${code})`;
    case "CRL_SIGNATURE_FAILURE":
      return `cannot be verified: tls.ca lacks the root of the chain, which tls.crl needs; or a revocation list in tls.crl is not signed by its CA (${code})`;
    case "UNSPECIFIED":
      return unspecified(error);
    default:
      return /^[A-Z0-9_/]{1,60}$/.test(code) ? `cannot be reached (${code})` : "cannot be reached";
  }
}

/** The step that failed with this error: TLS, unless the code is that of a socket. */
export function connectionStep(error: unknown): FailedStep {
  const code = codeOf(error);
  return /^(CERT_|CRL_|ERR_TLS_|ERR_SSL_|UNABLE_|DEPTH_|SELF_|INVALID_|KLEIDI_|UNSPECIFIED)/.test(code)
    ? "tls"
    : "connection";
}

/** OpenSSL's messages for faults without a code in Node (X509_verify_cert_error_string), and ours. */
const UNSPECIFIED: readonly (readonly [theirs: string, ours: string])[] = [
  [
    "CA signature digest algorithm too weak",
    "has a certificate in its chain that is signed with a digest that is too weak, as SHA-1; issue it with SHA-256",
  ],
  [
    "EE certificate key too weak",
    "has a certificate with a key that is too weak, as RSA 1024; issue one with RSA 2048 or more, or ECDSA",
  ],
  [
    "CA certificate key too weak",
    "has a certificate by a CA whose key is too weak, as RSA 1024; use a CA with RSA 2048 or more, or ECDSA",
  ],
  [
    "permitted subtree violation",
    "has a certificate for a name that its CA is not permitted to sign (name constraints); issue it by another CA",
  ],
  [
    "excluded subtree violation",
    "has a certificate for a name that its CA is excluded from (name constraints); issue it by another CA",
  ],
];

function unspecified(error: unknown): string {
  const message = error instanceof Error ? error.message : "";
  return (
    UNSPECIFIED.find(([theirs]) => message.includes(theirs))?.[1] ??
    "has a certificate that OpenSSL does not accept"
  );
}

/** Why a name was not resolved, as the end of a sentence about the resolver. */
export function resolverFault(code: string): string {
  switch (code) {
    case "ENOTFOUND":
      return "knows no such name (ENOTFOUND); look at grants.net.origin and at its DNS server";
    case "EAI_AGAIN":
      return "has no answer now (EAI_AGAIN); look at /etc/resolv.conf and at the DNS servers in it";
    case "ETIMEOUT":
      return "hangs (ETIMEOUT); look at /etc/resolv.conf and at the DNS servers in it";
    default:
      return `failed (${/^[A-Z_]{1,32}$/.test(code) ? code : "no reason"})`;
  }
}

/** Node's error code, or "". The code of a DOMException is a number without meaning here. */
export function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "string" ? code : "";
}
