/**
 * One connection to an origin: the name is resolved once, an address that may be connected to is taken, and the connection goes to
 * that address, so that nothing can lead it elsewhere afterwards. What the certificate must say is the name.
 */
import { lookup } from "node:dns/promises";
import { readFileSync, statSync } from "node:fs";
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { addressFault, Networks } from "./addresses.ts";
import { Unreachable } from "./exchange.ts";

export interface Target {
  /** "https://host:port" or "http://host:port". */
  readonly origin: string;
  readonly networks: readonly string[];
  readonly tls: {
    readonly ca?: string | undefined;
    readonly serverName?: string | undefined;
    readonly client?: { readonly certificate: string; readonly key: string } | undefined;
    readonly minimum: "1.2" | "1.3";
  };
}

export type Resolve = (name: string) => Promise<readonly { readonly address: string }[]>;

const systemResolve: Resolve = (name) => lookup(name, { all: true, verbatim: true });

export class Dialer {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** What the certificate must be for. */
  readonly expected: string;
  readonly #target: Target;
  readonly #granted: Networks;
  readonly #resolve: Resolve;
  readonly #files = new Files();

  constructor(target: Target, resolve: Resolve = systemResolve) {
    const url = new URL(target.origin);
    this.host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    this.secure = url.protocol === "https:";
    this.port = Number(url.port || (this.secure ? 443 : 80));
    this.expected = target.tls.serverName ?? this.host;
    this.#target = target;
    // Who writes a loopback address into the configuration means it.
    const own = /^127\./.test(this.host) ? [`${this.host}/32`] : this.host === "::1" ? ["::1/128"] : [];
    this.#granted = new Networks([...target.networks, ...own]);
    this.#resolve = resolve;
  }

  /** The addresses that may be connected to, in the order of the resolver. Rejects with an Unreachable where there is none. */
  async addresses(): Promise<readonly string[]> {
    if (isIP(this.host) !== 0) return this.#allowed([this.host]);
    let found: readonly { readonly address: string }[];
    try {
      found = await this.#resolve(this.host);
    } catch (error) {
      const { code = "no answer" } = error as NodeJS.ErrnoException;
      throw new Unreachable(`the name ${this.host} cannot be resolved (${code})`);
    }
    return this.#allowed(found.map(({ address }) => address));
  }

  #allowed(addresses: readonly string[]): readonly string[] {
    const faults = addresses.map((address) => addressFault(address, this.#granted));
    const allowed = addresses.filter((_, i) => faults[i] === undefined);
    if (allowed.length > 0) return allowed;
    throw new Unreachable(
      `${this.host} is at no address that may be connected to: ${faults[0] ?? "it has none"}`,
    );
  }

  /** A connection that is open, and over TLS verified. Rejects with an Unreachable; tries each address once. */
  async dial(signal: AbortSignal): Promise<Socket> {
    const addresses = await this.addresses();
    let last: unknown;
    for (const address of addresses.slice(0, 4)) {
      if (signal.aborted) break;
      try {
        return await this.#connect(address, signal);
      } catch (error) {
        last = error;
      }
    }
    throw this.#explained(last ?? signal.reason);
  }

  #connect(address: string, signal: AbortSignal): Promise<Socket> {
    const socket = this.secure
      ? connectTls({ host: address, port: this.port, ...this.#tlsOptions() })
      : connectPlain({ host: address, port: this.port });
    return new Promise((resolve, reject) => {
      const opened = this.secure ? "secureConnect" : "connect";
      const abort = () => socket.destroy(signal.reason as Error);
      const settle = () => {
        signal.removeEventListener("abort", abort);
        socket.off("error", onError);
      };
      const onError = (error: Error) => {
        settle();
        reject(error);
      };
      signal.addEventListener("abort", abort, { once: true });
      socket.on("error", onError);
      socket.once(opened, () => {
        settle();
        socket.setNoDelay(true);
        resolve(socket);
      });
    });
  }

  #tlsOptions(): ConnectionOptions {
    const { ca, client, minimum } = this.#target.tls;
    return {
      // A name for SNI; an address is none (RFC 6066, 3).
      ...(isIP(this.expected) === 0 ? { servername: this.expected } : {}),
      minVersion: minimum === "1.3" ? "TLSv1.3" : "TLSv1.2",
      rejectUnauthorized: true,
      ALPNProtocols: ["http/1.1"],
      ...(ca === undefined ? {} : { ca: this.#files.read("tls.ca", ca) }),
      ...(client === undefined
        ? {}
        : {
            cert: this.#files.read("tls.certificate", client.certificate),
            key: this.#files.read("tls.key", client.key),
          }),
    };
  }

  #explained(error: unknown): Unreachable {
    if (error instanceof Unreachable) return error;
    return new Unreachable(`${this.host}:${this.port} ${whyNot(error, this.expected)}`);
  }
}

/** Why a connection was not made, or did not last, as the end of a sentence. */
export function whyNot(error: unknown, expected: string): string {
  const { code = "" } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ECONNREFUSED":
      return "refuses connections";
    case "CERT_HAS_EXPIRED":
      return "has a certificate that has expired";
    case "CERT_NOT_YET_VALID":
      return "has a certificate that is not valid yet: is the clock right?";
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `has a certificate that is not for ${expected}`;
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
      return `has a certificate that is by no CA of tls.ca (${code})`;
    case "":
      return "cannot be asked";
    default:
      return /^[A-Z0-9_]{1,60}$/.test(code) ? `cannot be asked (${code})` : "cannot be asked";
  }
}

/** PEM files, read again when they change. A few small files and a rare connection: no need to be asynchronous. */
class Files {
  readonly #known = new Map<string, { readonly stamp: string; readonly bytes: Buffer }>();

  read(key: string, path: string): Buffer {
    try {
      const { mtimeMs, size, ino } = statSync(path);
      const stamp = `${mtimeMs} ${size} ${ino}`;
      const known = this.#known.get(path);
      if (known?.stamp === stamp) return known.bytes;
      const bytes = readFileSync(path);
      this.#known.set(path, { stamp, bytes });
      return bytes;
    } catch (error) {
      throw new Unreachable(`${key} ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
  }
}
