/** A token that the host has: what a request carries of it, and how long it is good. */
import { inspect } from "node:util";
import type { Secret } from "../../../lib/secret.ts";
import type { Lease, Request } from "../exchange.ts";
import type { Header } from "./token-recipe.ts";

/** Longer than a request may be under way; of a short life, a part. */
const MARGIN_MS = 1000;
const MARGIN_PART = 0.1;

export class Token {
  readonly secret: Secret;
  readonly lease: Lease;
  /** On the clock that never goes back: when it was asked for, or read. */
  readonly issued: number;
  renewable = false;
  /** As the server said last, and first. */
  ttlMs = Number.POSITIVE_INFINITY;
  firstTtlMs: number | undefined;
  #expires = Number.POSITIVE_INFINITY;

  constructor(secret: Secret, header: Header, issued: number) {
    this.secret = secret;
    this.lease = new HeaderLease(secret, header);
    this.issued = issued;
  }

  /** @param asked when the server was asked: it counts from some time after it */
  lives(asked: number, ttlMs: number, renewable: boolean): void {
    this.ttlMs = ttlMs;
    this.firstTtlMs ??= ttlMs;
    this.#expires = asked + ttlMs;
    this.renewable = renewable;
  }

  usable(now: number): boolean {
    return now < this.#expires - Math.min(MARGIN_MS, this.ttlMs * MARGIN_PART);
  }

  /** In milliseconds of Date.now(); undefined where it never expires or nothing is known of it. */
  expiresAt(now: number, date: number): number | undefined {
    return this.#expires === Number.POSITIVE_INFINITY ? undefined : Math.round(date + this.#expires - now);
  }
}

/** Carries the token in a header, in place of one of that name that the request has. */
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
