/** Days of expiry, as `YYYY-MM-DD` in UTC. They last to their end. */

const DAY_MS = 86_400_000;

/** Whether a day has passed everywhere that UTC is kept. What is no day has. */
export function isOver(day: string, now: Date): boolean {
  return !(now.getTime() < endOf(day));
}

/** The first millisecond after a day; NaN when there is no such day. */
export function endOf(day: string): number {
  const start = /^\d{4}-\d{2}-\d{2}$/.test(day) ? new Date(`${day}T00:00:00Z`) : undefined;
  const real = start !== undefined && !Number.isNaN(start.getTime()) && start.toISOString().startsWith(day);
  return real ? start.getTime() + DAY_MS : Number.NaN;
}

/**
 * The day of the word `expires:YYYY-MM-DD` in a trusted comment; undefined when there is no such word. What looks like one and is
 * not, or is there twice, comes back as a fault: a limit that was meant is never ignored.
 */
export function expiryIn(comment: string): { day: string } | { fault: string } | undefined {
  const words = [...comment.matchAll(/(?<=^|\s)expir(?:y|es)\s*[:=]\s*\S*/giu)].map(([word]) => word);
  const [word] = words;
  if (word === undefined) return undefined;
  const day = word.slice("expires:".length);
  if (words.length === 1 && word.startsWith("expires:") && !Number.isNaN(endOf(day))) return { day };
  return { fault: words.join(" ").slice(0, 60) };
}
