/** A test's own certificate authority, and the certificates that it signs: of servers and clients, valid or expired. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { requireDebian } from "./debian.ts";

/** Two PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface ServerNames {
  /** in place of one; the certificate is 60 days old then */
  readonly endsInDays?: number;
  /** in addition to localhost and 127.0.0.1 */
  readonly names?: readonly string[];
  /** it expired yesterday */
  readonly expired?: boolean;
  /** without subjectAltName */
  readonly nameless?: boolean;
  /** lines of openssl's extensions */
  readonly extensions?: readonly string[];
  /** bits of an RSA key, in place of one on P-256 */
  readonly rsa?: number;
  /** in place of sha256 */
  readonly digest?: string;
}

export interface AuthorityOptions {
  readonly name?: string;
  /** signs its certificate; absent: it is a root */
  readonly issuer?: Authority;
  /** lines of openssl's extensions */
  readonly extensions?: readonly string[];
  readonly rsa?: number;
}

export interface RevocationList {
  /** the certificates in the list */
  readonly revoked?: readonly Certificate[];
  /** in place of one; the list is 60 days old then */
  readonly endsInDays?: number;
  /** it expired yesterday */
  readonly expired?: boolean;
}

const DAY_MS = 86_400_000;

/** The files that `openssl ca` needs for its records; the extensions come from a file for each certificate. */
const BOOK = `[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
`;

export class Authority {
  readonly folder: string;

  /** @param folder is created; it holds the private keys */
  constructor(folder: string, options: string | AuthorityOptions = {}) {
    const {
      name = "kleidi test CA",
      extensions = [],
      rsa,
      issuer,
    } = typeof options === "string" ? { name: options } : options;
    requireDebian(["openssl"]);
    this.folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, "ca.cnf"), BOOK);
    writeFileSync(join(folder, "index.txt"), "");
    this.#key("ca-key.pem", rsa);
    const subject = [
      "-subj",
      `/CN=${name}`,
      "-days",
      "2",
      ...extensions.flatMap((line) => ["-addext", line]),
    ];
    const by = issuer === undefined ? [] : ["-CA", issuer.file, "-CAkey", join(issuer.folder, "ca-key.pem")];
    this.#openssl("req", "-x509", "-new", "-key", "ca-key.pem", ...by, ...subject, "-out", "ca.pem");
  }

  /** The path of the CA's own certificate. */
  get file(): string {
    return join(this.folder, "ca.pem");
  }

  get pem(): string {
    return readFileSync(this.file, "utf8");
  }

  /** @param id names the files, and is the common name */
  server(id: string, options: ServerNames = {}): Certificate {
    const { names = [], expired = false, nameless = false, endsInDays = expired ? -1 : 1 } = options;
    const all = ["DNS:localhost", "IP:127.0.0.1", ...names.map((name) => `DNS:${name}`)];
    return this.#sign(id, "serverAuth", nameless ? [] : all, endsInDays * DAY_MS, options);
  }

  client(id: string, options: Pick<ServerNames, "endsInDays"> = {}): Certificate {
    return this.#sign(id, "clientAuth", [`DNS:${id}`], (options.endsInDays ?? 1) * DAY_MS, options);
  }

  /** A file with a revocation list, signed now. */
  revocations(id: string, options: RevocationList = {}): string {
    const { revoked = [], expired = false, endsInDays } = options;
    const own = ["-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca-key.pem"];
    for (const { cert } of revoked) this.#openssl("ca", ...own, "-revoke", cert);
    const now = Date.now();
    const times = [
      "-crl_lastupdate",
      asn1Time(now - (endsInDays === undefined ? 2 : 60) * DAY_MS),
      "-crl_nextupdate",
      asn1Time(now + (endsInDays ?? (expired ? -1 : 1)) * DAY_MS),
    ];
    this.#openssl("ca", "-gencrl", ...own, ...times, "-out", `${id}.crl.pem`);
    return join(this.folder, `${id}.crl.pem`);
  }

  #key(file: string, rsa: number | undefined): void {
    if (rsa === undefined) this.#openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file);
    else this.#openssl("genrsa", "-out", file, `${rsa}`);
  }

  #sign(
    id: string,
    usage: string,
    names: readonly string[],
    endsInMs: number,
    { rsa, digest = "sha256", extensions: more = [], endsInDays }: ServerNames = {},
  ): Certificate {
    const [cert, key, request, extensions] = [`${id}.pem`, `${id}-key.pem`, `${id}.csr`, `${id}.cnf`];
    writeFileSync(
      join(this.folder, extensions),
      [
        "basicConstraints = CA:FALSE",
        `extendedKeyUsage = ${usage}`,
        ...(names.length === 0 ? [] : [`subjectAltName = ${names.join(",")}`]),
        ...more,
        "",
      ].join("\n"),
    );
    this.#key(key, rsa);
    this.#openssl("req", "-new", "-key", key, "-subj", `/CN=${id}`, "-out", request);
    const now = Date.now();
    this.#openssl(
      ...["ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca-key.pem"],
      ...[
        "-startdate",
        asn1Time(now - (endsInDays === undefined ? 2 : 60) * DAY_MS),
        "-enddate",
        asn1Time(now + endsInMs),
      ],
      ...["-md", digest, "-extfile", extensions, "-in", request, "-out", cert],
    );
    return { cert: join(this.folder, cert), key: join(this.folder, key) };
  }

  #openssl(...args: string[]): void {
    execFileSync("openssl", args, { cwd: this.folder, stdio: "pipe" });
  }
}

/** GeneralizedTime of X.509 (RFC 5280, 4.1.2.5.2): 20260131235959Z. */
function asn1Time(ms: number): string {
  return `${new Date(ms).toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`;
}
