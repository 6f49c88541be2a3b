/** A token of the host: the header that carries it, and its lifetime. */
import { inspect } from "node:util";
import type { Secret } from "../../../lib/secret.ts";
import type { Lease, Request } from "../exchange.ts";
import type { Header } from "./token-recipe.ts";

/** A token is not used in its last second (longer than a request takes) or, if it is short-lived, in its last tenth. */
const MARGIN_MS = 1000;
const MARGIN_PART = 0.1;

export class Token {
  readonly secret: Secret;
  readonly lease: Lease;
  /** The time of its request or read, on the monotonic clock, in milliseconds. */
  readonly issued: number;
  renewable = false;
  /** The role of its login by the server, which is not trusted; undefined if it is unknown. */
  role: unknown;
  /** The lifetime that the server reported last, in milliseconds; `firstTtlMs` is the first. */
  ttlMs = Number.POSITIVE_INFINITY;
  firstTtlMs: number | undefined;
  /** The number of requests that it was good for at first. */
  uses = Number.POSITIVE_INFINITY;
  usesLeft = Number.POSITIVE_INFINITY;
  #expires = Number.POSITIVE_INFINITY;

  constructor(secret: Secret, header: Header, issued: number) {
    this.secret = secret;
    this.lease = new HeaderLease(secret, header);
    this.issued = issued;
  }

  /** @param asked the time of the request: the server counts from a moment after it */
  setLifetime(asked: number, ttlMs: number, renewable: boolean): void {
    this.ttlMs = ttlMs;
    this.firstTtlMs ??= ttlMs;
    this.#expires = asked + ttlMs;
    this.renewable = renewable;
  }

  setUses(uses: number | undefined): void {
    this.uses = uses ?? Number.POSITIVE_INFINITY;
    this.usesLeft = this.uses;
  }

  /** Takes one use, for one request. @returns false if none is left */
  take(): boolean {
    if (this.usesLeft <= 0) return false;
    this.usesLeft--;
    return true;
  }

  isUsable(now: number): boolean {
    return this.usesLeft > 0 && now < this.#expires - Math.min(MARGIN_MS, this.ttlMs * MARGIN_PART);
  }

  /** In milliseconds of Date.now(); undefined if it never expires or its lifetime is unknown. */
  expiresAt(now: number, date: number): number | undefined {
    return this.#expires === Number.POSITIVE_INFINITY ? undefined : Math.round(date + this.#expires - now);
  }
}

/** Sends the token in a header, which replaces one of that name in the request. */
class HeaderLease implements Lease {
  readonly #secret: Secret;
  readonly #header: Header;

  constructor(secret: Secret, header: Header) {
    this.#secret = secret;
    this.#header = header;
  }

  sign(request: Request): Request {
    const { name, scheme } = this.#header;
    const token = this.#secret.text();
    const value = scheme === undefined ? token : `${scheme} ${token}`;
    return { ...request, headers: { ...request.headers, [name]: value } };
  }

  [inspect.custom](): string {
    return "[lease]";
  }
}
