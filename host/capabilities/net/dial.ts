/**
 * Opens connections to an origin. The name is resolved once and an allowed address is chosen; the connection goes to that address, so a
 * later change of the name cannot redirect it. The certificate is verified against the name.
 */
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, TLSSocket } from "node:tls";
import { withDeadline } from "../../lib/deadline.ts";
import { addressFault, Networks } from "./addresses.ts";
import { type CertificateEnds, endOfChain, type FileEnds } from "./certificate-end.ts";
import { Unreachable } from "./exchange.ts";
import { codeOf, connectionFault, connectionStep, resolverFault } from "./faults.ts";
import { firstConnection } from "./first-connection.ts";
import { type Resolve, systemResolve } from "./resolver.ts";
import { identityFault } from "./server-identity.ts";
import { TlsContext, type TlsTarget } from "./tls-files.ts";

export interface Target {
  /** "https://host:port" or "http://host:port". */
  readonly origin: string;
  readonly networks: readonly string[];
  readonly tls: TlsTarget;
  /** Called with problems of the `tls` files that the operator should know. */
  readonly warn?: (why: string) => void;
  /** Called with the ends of the certificates of each new connection. */
  readonly onEnds?: (ends: CertificateEnds) => void;
}

/** A name has fewer. The limit keeps a resolver's answer from deciding how much a dial costs. */
const MAX_ADDRESSES = 64;
/** The part of the connection time for name resolution, so that a slow resolver is reported as such. */
const RESOLVING_PART = 0.75;
/** The part of the rest for several addresses, so that the fault of one is reported, and not the time-out of the request. */
const RACING_PART = 0.9;

export class Dialer {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** Host and port, for messages. */
  readonly where: string;
  /** The name or address that the certificate must be for. */
  readonly expected: string;
  readonly #context: TlsContext;
  readonly #granted: Networks;
  readonly #resolve: Resolve;
  readonly #onEnds: (ends: CertificateEnds) => void;

  constructor(target: Target, resolve: Resolve = systemResolve) {
    const url = new URL(target.origin);
    this.host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    this.secure = url.protocol === "https:";
    this.port = Number(url.port || (this.secure ? 443 : 80));
    this.where = `${url.hostname}:${this.port}`;
    this.expected = target.tls.serverName ?? this.host;
    this.#context = new TlsContext(target.tls, target.warn);
    this.#onEnds = target.onEnds ?? (() => {});
    // A loopback address in the configuration is an explicit grant.
    const own = /^127\./.test(this.host) ? [`${this.host}/32`] : this.host === "::1" ? ["::1/128"] : [];
    this.#granted = new Networks([...target.networks, ...own]);
    this.#resolve = resolve;
  }

  /**
   * Resolves the origin's name.
   * @param ms time limit
   * @returns the allowed addresses, in the order of the resolver; at least one
   * @throws Unreachable no allowed address, or none within the time
   */
  async addresses(ms: number, over: AbortSignal): Promise<readonly string[]> {
    if (isIP(this.host) !== 0) return this.#allowed([this.host]);
    const late = () => this.#unresolved(`did not answer within ${Math.round(ms)} ms`);
    const found = await withDeadline(ms, over, late, async () => {
      try {
        return await this.#resolve(this.host);
      } catch (error) {
        throw this.#unresolved(resolverFault(codeOf(error)));
      }
    });
    return this.#allowed(found.map(({ address }) => address));
  }

  /** Blames the resolver and not the server, so that the operator looks at the right machine. */
  #unresolved(why: string): Unreachable {
    return new Unreachable(
      `the name ${this.host} cannot be resolved: the resolver of this machine ${why}`,
      "name",
    );
  }

  /** Reads the TLS files. @throws Unreachable a file is unusable */
  assertFiles(): void {
    if (this.secure) this.#context.assertIntact();
  }

  /** The ends of the host's own certificate and of the revocation lists. @throws Unreachable a file is unusable */
  fileEnds(): FileEnds {
    this.assertFiles();
    return this.secure ? this.#context.ends : {};
  }

  #allowed(addresses: readonly string[]): readonly string[] {
    const faults = addresses.map((address) => addressFault(address, this.#granted));
    const allowed = addresses.filter((_, i) => faults[i] === undefined);
    if (allowed.length > 0) return allowed;
    throw new Unreachable(
      `${this.host} has no address that the host may connect to: ${faults[0] ?? "it has none at all"}`,
      "name",
    );
  }

  /**
   * Opens a connection and, over TLS, verifies the server. Tries the addresses in their order until one accepts.
   * @param ms time limit
   * @param over aborted when the connection is no longer needed
   * @throws Unreachable
   */
  async dial(ms: number, over: AbortSignal): Promise<Socket> {
    const begun = performance.now();
    const late = () => new Unreachable(`${this.where} takes no connection within ${ms} ms`, "connection");
    const all = await this.addresses(ms * RESOLVING_PART, over);
    const addresses = all.slice(0, MAX_ADDRESSES);
    const left = ms - (performance.now() - begun);
    const race = {
      addresses,
      connect: (address: string, signal: AbortSignal) => this.#connect(address, signal),
      ms: addresses.length > 1 ? left * RACING_PART : left,
      late,
    };
    try {
      return await firstConnection(race, over);
    } catch (error) {
      throw this.#toUnreachable(error);
    }
  }

  #connect(address: string, signal: AbortSignal): Promise<Socket> {
    const socket = this.secure
      ? connectTls({ host: address, port: this.port, ...this.#tlsOptions() })
      : connectPlain({ host: address, port: this.port });
    return new Promise((resolve, reject) => {
      const abort = () => socket.destroy(signal.reason as Error);
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
      // This listener stays: an error before the socket has another owner would be uncaught and end the host.
      socket.on("error", reject);
      socket.once("close", () => {
        signal.removeEventListener("abort", abort);
        reject(Object.assign(new Error("closed"), { code: "ECONNRESET" }));
      });
      socket.once(this.secure ? "secureConnect" : "connect", () => {
        signal.removeEventListener("abort", abort);
        socket.setNoDelay(true);
        if (socket instanceof TLSSocket)
          this.#onEnds({
            "server-certificate": endOfChain(socket.getPeerCertificate(true)),
            ...this.#context.ends,
          });
        resolve(socket);
      });
    });
  }

  #tlsOptions(): ConnectionOptions {
    return {
      // SNI carries names only, no addresses (RFC 6066, 3).
      ...(isIP(this.expected) === 0 ? { servername: this.expected } : {}),
      // Compares with the expected name: without SNI, Node would compare with the address.
      checkServerIdentity: (_, certificate) => identityFault(this.expected, certificate),
      // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED has no effect.
      rejectUnauthorized: true,
      ALPNProtocols: ["http/1.1"],
      secureContext: this.#context.get(),
    };
  }

  #toUnreachable(error: unknown): Unreachable {
    if (error instanceof Unreachable) return error;
    return new Unreachable(`${this.where} ${connectionFault(error, this.expected)}`, connectionStep(error));
  }
}
