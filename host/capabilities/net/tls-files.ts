/** Builds TLS contexts from PEM files, which may be replaced while the host runs. */
import { statSync } from "node:fs";
import { createSecureContext, type SecureContext } from "node:tls";
import { FileFault, readRegular, systemFault } from "../../lib/files.ts";
import { readSecretFile } from "../../lib/secret-files.ts";
import { type CertificateEnd, endOfCertificates, endOfLists, type FileEnds } from "./certificate-end.ts";
import { Unreachable } from "./exchange.ts";
import { codeOf } from "./faults.ts";
import { type PemFile, readPem } from "./pem.ts";

export interface TlsTarget {
  /** Absent: the certificates that Node comes with. */
  readonly ca?: string | undefined;
  /** Absent: nothing is looked up as revoked. */
  readonly crl?: string | undefined;
  readonly serverName?: string | undefined;
  readonly client?: { readonly certificate: string; readonly key: string } | undefined;
  readonly minimum: "1.2" | "1.3";
}

/** A bundle of every public CA is a quarter of this. */
const MAX_BYTES = 1 << 20;
/** A list has about 40 bytes for each certificate that was revoked. */
const MAX_CRL = 8 << 20;
const CRL = /-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g;

interface Pair {
  readonly stamp: string;
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly end: CertificateEnd | undefined;
}

export class TlsContext {
  readonly #tls: TlsTarget;
  readonly #warn: (why: string) => void;
  #cached: { readonly stamp: string; readonly context: SecureContext } | undefined;
  #listEnd: CertificateEnd | undefined;
  #pair: Pair | undefined;
  #lastWarning: string | undefined;
  #caFaults: readonly string[] = [];

  /**
   * @param warn called once when certificate and key are no longer a pair and the previous pair is used, and when certificates in `ca`
   * cannot be read and the others are used
   */
  constructor(tls: TlsTarget, warn: (why: string) => void = () => {}) {
    this.#tls = tls;
    this.#warn = warn;
  }

  /** The current context, rebuilt when one of its files changes. @throws Unreachable a file is unusable */
  get(): SecureContext {
    const { ca, crl, minimum } = this.#tls;
    const pair = this.#currentPair();
    const stamp = JSON.stringify([
      ca === undefined ? "" : stampOf("tls.ca", ca),
      crl === undefined ? "" : stampOf("tls.crl", crl),
      pair?.stamp,
    ]);
    if (this.#cached?.stamp === stamp) return this.#cached.context;
    const lists = crl === undefined ? undefined : listsOf(crl);
    const trusted = {
      ...(ca === undefined ? {} : { ca: this.#authorities(ca) }),
      ...(lists && { crl: lists }),
      // Any certificate in the file is an end of the chain, as for Go and curl. With lists, OpenSSL wants the chain up to its root.
      allowPartialTrustChain: ca !== undefined && crl === undefined,
    };
    const own = pair && { cert: pair.cert, key: pair.key };
    const minVersion = minimum === "1.3" ? "TLSv1.3" : "TLSv1.2";
    const what = [ca && `tls.ca ${ca}`, crl && `tls.crl ${crl}`].filter(Boolean).join(", ");
    const context = usable(what, () => createSecureContext({ minVersion, ...trusted, ...own }));
    this.#listEnd = lists && endOfLists(lists);
    this.#cached = { stamp, context };
    return context;
  }

  /** @throws Unreachable a file is unusable, or a certificate in `ca` cannot be read */
  assertIntact(): void {
    this.get();
    const [fault] = this.#caFaults;
    if (fault !== undefined) throw new Unreachable(fault, "file");
  }

  #authorities(path: string): string[] {
    const { certificates, faults } = certificatesOf("tls.ca", path);
    this.#caFaults = faults.map(
      (fault) => `tls.ca ${path}: ${fault}; put the whole certificate there, or remove it`,
    );
    for (const fault of this.#caFaults) this.#warn(`${fault}; the others are used`);
    return certificates.map((each) => each.toString());
  }

  /** The ends of the host's own certificate and of the revocation lists, as `get` last read them. */
  get ends(): FileEnds {
    return { "client-certificate": this.#pair?.end, "revocation-list": this.#listEnd };
  }

  /**
   * The current certificate and key. They are two files, replaced one after the other: until they match again, the last pair is used. A key
   * that others may read is never used.
   */
  #currentPair(): Pair | undefined {
    const { client } = this.#tls;
    if (client === undefined) return undefined;
    try {
      const stamp = `${stampOf("tls.certificate", client.certificate)}, ${stampOf("tls.key", client.key)}`;
      if (this.#pair?.stamp !== stamp) {
        const pair = readPair(client, stamp);
        this.#pair?.key.fill(0);
        this.#pair = pair;
      }
      this.#lastWarning = undefined;
    } catch (error) {
      if (this.#pair === undefined || !(error instanceof Unreachable) || error instanceof ExposedKey)
        throw error;
      if (this.#lastWarning !== error.message)
        this.#warn(
          `${error.message}; the last certificate and key that were a pair are used until there is another`,
        );
      this.#lastWarning = error.message;
    }
    return this.#pair;
  }
}

/** A key file that others may read. */
class ExposedKey extends Unreachable {}

function readPair({ certificate, key }: NonNullable<TlsTarget["client"]>, stamp: string): Pair {
  const { certificates, faults } = certificatesOf("tls.certificate", certificate);
  if (faults[0] !== undefined) throw new Unreachable(`tls.certificate ${certificate}: ${faults[0]}`, "file");
  const cert = Buffer.from(certificates.map((each) => each.toString()).join(""));
  const pair = { stamp, cert, key: readKey(key) };
  const what = `tls.certificate ${certificate}, tls.key ${key}`;
  usable(what, () => createSecureContext({ cert: pair.cert, key: pair.key }));
  return { ...pair, end: endOfCertificates(certificates) };
}

function usable<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    const code = codeOf(error) || "no reason";
    const why =
      code === "ERR_OSSL_X509_KEY_VALUES_MISMATCH"
        ? `the key is not the certificate's (${code})`
        : /_(EE_KEY|CA_KEY|CA_MD)_TOO_(SMALL|WEAK)$/.test(code)
          ? `a key or a signature that is too weak to be used; issue it with RSA 2048 or more, or ECDSA, and SHA-256 (${code})`
          : `PEM that cannot be used (${code})`;
    throw new Unreachable(`${what}: ${why}`, "file");
  }
}

// A few small files and a rare connection: no need to be asynchronous.
function stampOf(key: string, path: string): string {
  try {
    const { mtimeMs, ctimeMs, size, ino } = statSync(path);
    return `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
  } catch (error) {
    throw new Unreachable(`${key} ${path} ${systemFault(path, error).text}`, "file");
  }
}

/** @throws Unreachable there is no certificate that can be read: Node would accept that as a CA that signed nothing, and blame the server */
function certificatesOf(key: string, path: string): PemFile {
  const file = readPem(read(key, path, MAX_BYTES));
  if (file.certificates.length > 0) return file;
  const [fault] = file.faults;
  throw new Unreachable(
    `${key} ${path}${fault === undefined ? " has no PEM certificate in it" : `: ${fault}`}`,
    "file",
  );
}

/** The lists of a file, one by one: Node reads only the first list of a text. */
function listsOf(path: string): string[] {
  const lists = read("tls.crl", path, MAX_CRL).toString("latin1").match(CRL);
  if (lists !== null) return lists;
  const remedy = "put the lists of the CAs there as PEM: openssl crl -inform der -in FILE";
  throw new Unreachable(`tls.crl ${path} has no PEM revocation list in it; ${remedy}`, "file");
}

function read(key: string, path: string, maxBytes: number): Buffer {
  const content = readRegular(path, maxBytes);
  if (content instanceof FileFault) throw new Unreachable(`${key} ${path} ${content.text}`, "file");
  return content;
}

function readKey(path: string): Buffer {
  const content = readSecretFile(path, MAX_BYTES, "given");
  if (!(content instanceof FileFault)) return content;
  const message = `tls.key ${path} ${content.text}`;
  throw content.kind === "exposed" ? new ExposedKey(message, "file") : new Unreachable(message, "file");
}
