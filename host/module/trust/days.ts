/** Expiry dates, as `YYYY-MM-DD` in UTC. A signature or key is valid until the end of its expiry date. */

const DAY_MS = 86_400_000;

/** Returns true if the day has ended in UTC. An invalid date counts as ended. */
export function hasEnded(day: string, now: Date): boolean {
  return !(now.getTime() < endOfDay(day));
}

/** Returns the first millisecond after a day, since the Unix epoch; NaN if the date is not valid. */
export function endOfDay(day: string): number {
  const start = /^\d{4}-\d{2}-\d{2}$/.test(day) ? new Date(`${day}T00:00:00Z`) : undefined;
  const isValid =
    start !== undefined && !Number.isNaN(start.getTime()) && start.toISOString().startsWith(day);
  return isValid ? start.getTime() + DAY_MS : Number.NaN;
}

/**
 * Finds the word `expires:YYYY-MM-DD` in a trusted comment.
 * @returns the date; undefined if there is no such word. A malformed or repeated expiry is a fault, so that an intended limit is
 * never ignored.
 * @example parseExpiry("v1 expires:2027-01-31") // { day: "2027-01-31" }
 */
export function parseExpiry(comment: string): { day: string } | { fault: string } | undefined {
  const words = [...comment.matchAll(/(?<=^|\s)expir(?:y|es)\s*[:=]\s*\S*/giu)].map(([word]) => word);
  const [word] = words;
  if (word === undefined) return undefined;
  const day = word.slice("expires:".length);
  if (words.length === 1 && word.startsWith("expires:") && !Number.isNaN(endOfDay(day))) return { day };
  return { fault: words.join(" ").slice(0, 60) };
}
