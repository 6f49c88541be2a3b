/** A progress bar on stderr, if that is a terminal. */

/** In characters. */
const WIDTH = 30;
/** The shortest time between two redraws. */
const EVERY_MS = 100;

export interface Progress {
  /** Advances the bar. */
  readonly add: (amount: number) => void;
  /** Erases the bar. */
  readonly end: () => void;
}

/** The text of a total in bytes. */
export function megabytes(total: number): string {
  return `${Math.ceil(total / 1e6)} MB`;
}

/**
 * @param total the amount at which the bar is full
 * @param unit writes the total, such as "2 MB" or "500 Secrets"
 */
export function progress(
  total: number,
  unit: (total: number) => string = megabytes,
  stream: NodeJS.WriteStream = process.stderr,
): Progress {
  if (!stream.isTTY) return { add() {}, end() {} };
  let done = 0;
  let drawn = Number.NEGATIVE_INFINITY;
  return {
    add(amount) {
      done += amount;
      if (performance.now() - drawn < EVERY_MS) return;
      drawn = performance.now();
      const part = Math.min(1, done / Math.max(1, total));
      const bar = "#".repeat(Math.round(part * WIDTH)).padEnd(WIDTH, ".");
      stream.write(`\r${bar} ${Math.floor(part * 100)} % of ${unit(total)}`);
    },
    end() {
      stream.write("\r\u001b[K");
    },
  };
}
