/** A bar on stderr, where that is a terminal. */
const WIDTH = 30;
const EVERY_MS = 100;

export interface Progress {
  readonly add: (bytes: number) => void;
  readonly end: () => void;
}

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
