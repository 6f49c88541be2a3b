/** A progress bar on stderr, if that is a terminal. */

/** In characters. */
const WIDTH = 30;
/** The shortest time between two redraws. */
const EVERY_MS = 100;

export interface Progress {
  /** Advances the bar. */
  readonly add: (bytes: number) => void;
  /** Erases the bar. */
  readonly end: () => void;
}

/** @param total bytes at which the bar is full */
export function progress(total: number, stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY) return { add() {}, end() {} };
  let done = 0;
  let drawn = Number.NEGATIVE_INFINITY;
  return {
    add(bytes) {
      done += bytes;
      if (performance.now() - drawn < EVERY_MS) return;
      drawn = performance.now();
      const part = Math.min(1, done / Math.max(1, total));
      const bar = "#".repeat(Math.round(part * WIDTH)).padEnd(WIDTH, ".");
      stream.write(`\r${bar} ${Math.floor(part * 100)} % of ${Math.ceil(total / 1e6)} MB`);
    },
    end() {
      stream.write("\r\u001b[K");
    },
  };
}
