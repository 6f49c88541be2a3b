/**
 * The configuration as the rest of the host sees it: units resolved, defaults filled in, paths absolute, frozen.
 * schema.ts says how each of these is written in the file.
 */

/** The file, parsed. Made by parseConfig or loadConfig only. */
export interface Config {
  /** Absolute path of the file; relative paths in it were resolved against its folder. */
  readonly file: string;
  readonly listen: ListenConfig;
  /** Absent when no provider is granted a keystore key and none was configured. */
  readonly keystore?: KeystoreConfig;
  /** Absent: no signatures are looked at. */
  readonly trust?: TrustConfig;
  /** Absent when no provider is granted a record and none was configured. */
  readonly state?: StateConfig;
  /** In the order of the file; at least one; each is used by a key. */
  readonly providers: readonly ProviderConfig[];
  /** In the order of the file; 1 to 64; exactly one is active. */
  readonly keys: readonly KeyConfig[];
  readonly sandbox: SandboxConfig;
  readonly status: StatusConfig;
  readonly log: LogConfig;
  /** Absent: no audit log. */
  readonly audit?: AuditConfig;
  /** Absent: no metrics and no probes over HTTP. */
  readonly admin?: AdminConfig;
}

export interface ListenConfig {
  /** Absolute path, at most 100 bytes of UTF-8. */
  readonly socket: string;
  /** File mode, 0o600 to 0o770: the owner reads and writes, others nothing. */
  readonly mode: number;
  /** A group's name, or its gid as a number. */
  readonly group?: string | number;
}

export interface KeystoreConfig {
  /** Absolute path of the folder of key files. */
  readonly directory: string;
}

/** Whose signatures a module needs. */
export interface TrustConfig {
  /** 1 to 16, with different names, key ids and Ed25519 keys. */
  readonly keys: readonly TrustedKeyConfig[];
  /** 1 to the number of keys. */
  readonly threshold: number;
  readonly revoked: readonly RevokedConfig[];
}

export interface TrustedKeyConfig {
  readonly name: string;
  /** A minisign public key: the base64 line of a .pub file. */
  readonly key: string;
  /** YYYY-MM-DD: the last day, in UTC, on which a signature of this key counts. */
  readonly expires?: string;
}

/** A module by its SHA-256 (64 lower-case hex digits) or a key by its id (16 upper-case ones), and the reason. */
export type RevokedConfig =
  | { readonly sha256: string; readonly why: string }
  | { readonly key: string; readonly why: string };

export interface StateConfig {
  /** Absolute path of the folder of records. */
  readonly directory: string;
}

export interface ProviderConfig {
  readonly name: string;
  /** Absolute path of the WebAssembly module. */
  readonly module: string;
  /** SHA-256 of the module: 64 lower-case hex digits. */
  readonly sha256: string;
  /** Absolute paths of the module's signatures, 1 to 16; there if `trust` is. */
  readonly signatures?: readonly string[];
  readonly grants: GrantsConfig;
  readonly limits: LimitsConfig;
}

/** What a provider may ask of the host. What is absent is denied. */
export interface GrantsConfig {
  /** Names of keystore keys, at least one; each is also a key of this provider in `keys`, and in one of the two lists only. */
  readonly keystore?: {
    readonly keys: readonly string[];
    readonly passphrases?: readonly string[] | undefined;
    readonly rpcs?: readonly Rpc[] | undefined;
  };
  readonly tpm?: TpmGrantConfig;
  /** Names of records; each is granted to this provider only. */
  readonly state?: { readonly names: readonly string[]; readonly rpcs?: readonly Rpc[] | undefined };
  readonly net?: NetGrantConfig;
}

/** Every name of a file in the keystore's folder that is granted, whatever for. */
export function keystoreNames({ keystore }: GrantsConfig): string[] {
  return keystore === undefined ? [] : [...keystore.keys, ...(keystore.passphrases ?? [])];
}

export interface TpmGrantConfig {
  /** "/dev/tpmrm0", "swtpm:/path", or "swtpm:" or "mssim:" with a loopback address and port. */
  readonly device: string;
  readonly hierarchies: readonly Hierarchy[];
  /** Handles 0x81000000 to 0x81ffffff. */
  readonly persistent: readonly number[];
  /** SHA-256 of public templates, 64 lower-case hex digits each, besides the storage primary's. */
  readonly templates: readonly string[];
  /** Whether TPM2_Unseal is allowed. */
  readonly unseal: boolean;
  readonly rpcs?: readonly Rpc[] | undefined;
}

/** One origin and what may be asked of it. */
export interface NetGrantConfig {
  /** "https://host:port", the port always there; "http://" only with a loopback address. Host: lower case, or an IP address (IPv6 in brackets). */
  readonly origin: string;
  /** 1 to 64. */
  readonly allow: readonly { readonly method: string; readonly path: string }[];
  /** Lower-case names, at most 16; by default content-type only. */
  readonly headers: readonly string[];
  /** Of a request's body, in bytes: up to 48 KiB. */
  readonly requestBytes: number;
  /** Of a response, in bytes: up to 48 KiB. */
  readonly responseBytes: number;
  /** For one request, a login and the second try included, in milliseconds: 100 to 2400. */
  readonly timeoutMs: number;
  /** Connections at once, 1 to 256. */
  readonly connections: number;
  /** CIDR blocks of loopback, private and link-local addresses that the origin may be at; none by default. A literal loopback origin grants itself. */
  readonly networks: readonly string[];
  readonly tls: NetTlsConfig;
  /** Absent: requests carry no credential (but the client certificate, if tls has one). */
  readonly credential?: CredentialConfig;
  readonly rpcs?: readonly Rpc[] | undefined;
}

export interface NetTlsConfig {
  /** Absolute path of a PEM file; absent: the certificates that Node comes with. */
  readonly ca?: string;
  /** Absolute path of a PEM file with revocation lists; absent: nothing is looked up as revoked. */
  readonly crl?: string;
  /** The name that the certificate must have; absent: the origin's host. */
  readonly serverName?: string;
  /** Absolute paths of PEM files, read again when they change. */
  readonly client?: { readonly certificate: string; readonly key: string };
  readonly minimum: "1.2" | "1.3";
}

/** Who the host is at the origin. Secrets are files, named by their absolute paths, and never in the configuration. */
export type CredentialConfig =
  | { readonly kind: "file"; readonly file: string; readonly header: string; readonly scheme?: string }
  | ({ readonly kind: "login" } & LoginConfig)
  | ({ readonly kind: "vault" } & VaultLoginConfig);

/** A login as a recipe, for a server that has none ready-made here. */
export interface LoginConfig {
  readonly method: "POST" | "PUT";
  readonly path: string;
  /** Fields of a JSON object: text, or a secret file's whole content without the newline at its end. */
  readonly body: Readonly<Record<string, string | { readonly file: string }>>;
  /** JSON pointers (RFC 6901) into the answer: the token, and its time to live in seconds where the answer has one. */
  readonly token: string;
  readonly ttl?: string;
  /** The header that carries the token, lower case, and what is before it ("Bearer"). */
  readonly header: string;
  readonly scheme?: string;
}

export const VAULT_AUTHS = ["token", "approle", "kubernetes", "jwt", "userpass", "cert"] as const;

/** Ready-made recipes for HashiCorp Vault and OpenBao; `mount` is where the auth method is mounted, by default its name. */
export type VaultLoginConfig = { readonly namespace?: string; readonly mount?: string } & (
  | { readonly auth: "token"; readonly file: string }
  | {
      readonly auth: "approle";
      readonly roleId: string | { readonly file: string };
      readonly secretId?: { readonly file: string };
    }
  | { readonly auth: "kubernetes" | "jwt"; readonly role: string; readonly file: string }
  | { readonly auth: "userpass"; readonly username: string; readonly file: string }
  | { readonly auth: "cert"; readonly role?: string }
);

export const HIERARCHIES = ["owner", "endorsement", "platform"] as const;
export type Hierarchy = (typeof HIERARCHIES)[number];

export const RPCS = ["status", "encrypt", "decrypt"] as const;
export type Rpc = (typeof RPCS)[number];

export interface LimitsConfig {
  /** Linear memory of an instance, in bytes: 64 KiB to 256 MiB, a multiple of 64 KiB. */
  readonly memoryBytes: number;
  /** What a process of the provider may use, in bytes: at least what all its instances may grow to, and 192 MiB. */
  readonly processMemoryBytes: number;
  /** Entries of the module's table: 0 to 1,048,576. */
  readonly tableEntries: number;
  /** Of the message that an export is given, in bytes: 1 KiB to 64 KiB. */
  readonly inputBytes: number;
  /** Of the message that an export gives back, in bytes: 1 KiB to 64 KiB. */
  readonly outputBytes: number;
  /** For one call of the guest, in milliseconds: 100 to 2400. */
  readonly deadlineMs: number;
  /** Host calls in one call of the guest: 0 to 1024. */
  readonly hostCalls: number;
  /** Host calls of the provider in a minute, those of kleidi:crypto not counted: 0 to 10,000,000. */
  readonly hostCallsPerMinute: number;
  /** Log lines in one call of the guest: 0 to 1024. */
  readonly logLines: number;
  /** Calls in the guest process at once: 1 to 1024. */
  readonly concurrentCalls: number;
  /** Calls that wait for their turn: 0 to 4096. More are refused at once. */
  readonly queue: number;
}

export interface KeyConfig {
  readonly name: string;
  /** The name of one of `providers`. */
  readonly provider: string;
  readonly use: "active" | "decrypt";
  /** The version that the provider must report: 1 to 128 printable ASCII characters. */
  readonly version?: string;
  /** What the provider needs to find the key in its KMS, given to it with every call: at most 16. */
  readonly settings?: Readonly<Record<string, string>>;
}

export const WALLS = ["auto", "bubblewrap", "landlock", "none"] as const;

/** What keeps a provider's process from everything that is not its own. */
export interface SandboxConfig {
  /** "auto": the strongest that works when it is tried. */
  readonly wall: (typeof WALLS)[number];
  /** Absolute path of the folder with bwrap, setpriv, prlimit and choom; absent: /usr/bin and /bin. */
  readonly programs?: string;
}

export interface StatusConfig {
  /** Milliseconds between two probes of every key in the background: 1000 to 60000. */
  readonly intervalMs: number;
  /** Probes in a row that name a new version before it is written with: 1 to 10. */
  readonly stableProbes: number;
}

export type AdminConfig = AdminAddress | ListenConfig;

export interface AdminAddress {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

export interface LogConfig {
  readonly level: LogLevel;
  /** Absolute path; absent: stderr. */
  readonly file?: string;
}

/** Of file and stdout, at least one. */
export interface AuditConfig {
  /** Absolute path. */
  readonly file?: string;
  readonly stdout: boolean;
  /** Absent: one file, which grows. */
  readonly rotate?: {
    /** 1 MiB to 1 GiB. */
    readonly sizeBytes: number;
    /** Of the full files; absent: all. */
    readonly keep?: number;
  };
  /** Absent: nothing is signed. */
  readonly checkpoints?: {
    /** Absolute path of a private key. */
    readonly key: string;
    readonly lines: number;
    readonly intervalMs: number;
  };
}

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
