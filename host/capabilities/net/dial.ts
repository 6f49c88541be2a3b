/**
 * One connection to an origin: the name is resolved once, an address that may be connected to is taken, and the connection goes to
 * that address, so that nothing can lead it elsewhere afterwards. What the certificate must say is the name.
 */
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { withDeadline } from "../../lib/deadline.ts";
import { addressFault, Networks } from "./addresses.ts";
import { Unreachable } from "./exchange.ts";
import { codeOf, whyNot, whyUnresolved } from "./faults.ts";
import { type Resolve, systemResolve } from "./resolver.ts";
import { identityFault } from "./server-identity.ts";
import { TlsContext, type TlsTarget } from "./tls-files.ts";

export interface Target {
  /** "https://host:port" or "http://host:port". */
  readonly origin: string;
  readonly networks: readonly string[];
  readonly tls: TlsTarget;
  /** Is told what the operator should know of the files of `tls`. */
  readonly warn?: (why: string) => void;
}

const MAX_ADDRESSES = 4;
/** Of the time for a connection. Who waits for both must hear that it was the name. */
const RESOLVING = 0.75;

export class Dialer {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** Host and port, for messages. */
  readonly where: string;
  /** What the certificate must be for. */
  readonly expected: string;
  readonly #context: TlsContext;
  readonly #granted: Networks;
  readonly #resolve: Resolve;

  constructor(target: Target, resolve: Resolve = systemResolve) {
    const url = new URL(target.origin);
    this.host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    this.secure = url.protocol === "https:";
    this.port = Number(url.port || (this.secure ? 443 : 80));
    this.where = `${url.hostname}:${this.port}`;
    this.expected = target.tls.serverName ?? this.host;
    this.#context = new TlsContext(target.tls, target.warn);
    // Who writes a loopback address into the configuration means it.
    const own = /^127\./.test(this.host) ? [`${this.host}/32`] : this.host === "::1" ? ["::1/128"] : [];
    this.#granted = new Networks([...target.networks, ...own]);
    this.#resolve = resolve;
  }

  /**
   * The addresses that may be connected to, in the order of the resolver. Rejects with an Unreachable where there is none, or none
   * within this time.
   */
  async addresses(ms: number, over: AbortSignal): Promise<readonly string[]> {
    if (isIP(this.host) !== 0) return this.#allowed([this.host]);
    const late = () => this.#unresolved(`did not answer within ${Math.round(ms)} ms`);
    const found = await withDeadline(ms, over, late, async () => {
      try {
        return await this.#resolve(this.host);
      } catch (error) {
        throw this.#unresolved(whyUnresolved(codeOf(error)));
      }
    });
    return this.#allowed(found.map(({ address }) => address));
  }

  /** Of the resolver and not of the server: who reads it looks at the right machine. */
  #unresolved(why: string): Unreachable {
    return new Unreachable(`the name ${this.host} cannot be resolved: the resolver of this machine ${why}`);
  }

  /** Reads the files that TLS is made with. @throws Unreachable where one cannot be used */
  assertFiles(): void {
    if (this.secure) this.#context.get();
  }

  #allowed(addresses: readonly string[]): readonly string[] {
    const faults = addresses.map((address) => addressFault(address, this.#granted));
    const allowed = addresses.filter((_, i) => faults[i] === undefined);
    if (allowed.length > 0) return allowed;
    throw new Unreachable(
      `${this.host} is at no address that may be connected to: ${faults[0] ?? "it has none"}`,
    );
  }

  /**
   * A connection that is open, and over TLS verified, within this time. Tries a few addresses, each for its share of it. Rejects with
   * an Unreachable.
   */
  async dial(ms: number, over: AbortSignal): Promise<Socket> {
    const begun = performance.now();
    const late = () => new Unreachable(`${this.where} takes no connection within ${ms} ms`);
    const all = await this.addresses(ms * RESOLVING, over);
    const addresses = all.slice(0, MAX_ADDRESSES);
    let last: unknown;
    for (const [i, address] of addresses.entries()) {
      const share = (ms - (performance.now() - begun)) / (addresses.length - i);
      try {
        return await withDeadline(share, over, late, (signal) => this.#connect(address, signal));
      } catch (error) {
        last = error;
        if (over.aborted) break;
      }
    }
    throw this.#explained(last);
  }

  #connect(address: string, signal: AbortSignal): Promise<Socket> {
    const socket = this.secure
      ? connectTls({ host: address, port: this.port, ...this.#tlsOptions() })
      : connectPlain({ host: address, port: this.port });
    return new Promise((resolve, reject) => {
      const abort = () => socket.destroy(signal.reason as Error);
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
      // Stays: between this promise and who is given the socket, an error would find nobody, and end the host.
      socket.on("error", reject);
      socket.once("close", () => {
        signal.removeEventListener("abort", abort);
        reject(Object.assign(new Error("closed"), { code: "ECONNRESET" }));
      });
      socket.once(this.secure ? "secureConnect" : "connect", () => {
        signal.removeEventListener("abort", abort);
        socket.setNoDelay(true);
        resolve(socket);
      });
    });
  }

  #tlsOptions(): ConnectionOptions {
    return {
      // A name for SNI; an address is none (RFC 6066, 3).
      ...(isIP(this.expected) === 0 ? { servername: this.expected } : {}),
      // Of what is expected, whatever is connected to: without SNI, Node would compare the address.
      checkServerIdentity: (_, certificate) => identityFault(this.expected, certificate),
      // Not left to the environment: NODE_TLS_REJECT_UNAUTHORIZED.
      rejectUnauthorized: true,
      ALPNProtocols: ["http/1.1"],
      secureContext: this.#context.get(),
    };
  }

  #explained(error: unknown): Unreachable {
    if (error instanceof Unreachable) return error;
    return new Unreachable(`${this.where} ${whyNot(error, this.expected)}`);
  }
}
