/** The ends of things that work today and later do not: signatures, certificates, credentials. A warning comes while there is time to act. */

export const EXPIRY_KINDS = [
  "signature",
  "trust-key",
  "server-certificate",
  "client-certificate",
  "revocation-list",
  "token",
  "secret-id",
] as const;

export interface Expiry {
  readonly kind: (typeof EXPIRY_KINDS)[number];
  /** A name of the configuration: of a provider or, for a trust-key, of a key in `trust`. */
  readonly name: string;
  /** The end, in milliseconds since 1970; Infinity if it has none any more. */
  readonly at: number;
  /** The warning begins this long before the end, in milliseconds. */
  readonly warningMs: number;
}

const WARNING_MS = 14 * 86_400_000;
/** Of a short life: a certificate for three days that is replaced at two thirds of its life must not warn. */
const WARNING_PART = 1 / 4;

/**
 * The time before an end in which to warn of it: 14 days, or a quarter of a life that is shorter than 56 days.
 * @param lifeMs the whole life, in milliseconds; Infinity if it is unknown
 * @param part of a short life, 0 to 1
 */
export function warningBefore(lifeMs: number, part = WARNING_PART): number {
  return Math.min(WARNING_MS, lifeMs * part);
}

/** @param now in milliseconds since 1970 */
export function endsSoon({ at, warningMs }: Pick<Expiry, "at" | "warningMs">, now = Date.now()): boolean {
  return at - now < warningMs;
}

/**
 * @returns the time that is left, rounded down, in days, or in hours or minutes if it is short
 * @example timeLeft(Date.now() + 7.5 * 86_400_000) === "7 days"
 */
export function timeLeft(at: number, now = Date.now()): string {
  const minutes = Math.max(0, Math.floor((at - now) / 60_000));
  const [count, unit] =
    minutes >= 2880
      ? [Math.floor(minutes / 1440), "days"]
      : minutes >= 120
        ? [Math.floor(minutes / 60), "hours"]
        : [minutes, "minutes"];
  return `${count} ${unit}`;
}
