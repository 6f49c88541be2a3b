/** Looks at a file in intervals, by its content: also a link that is turned to another file (a ConfigMap), and a network disk, is seen. */
import { createHash } from "node:crypto";
import { FileFault, readRegular } from "../lib/files.ts";

export interface WatchOptions {
  /** Milliseconds between two looks. */
  readonly intervalMs?: number;
  /** In bytes; of a larger file only that it is too large is seen. */
  readonly largest: number;
}

const INTERVAL_MS = 2_000;

/**
 * Calls back when the content of a file has changed, once it is the same in two looks: a file that is still being written is not read.
 * @returns a function that ends the watch
 */
export function watchFile(
  path: string,
  onChange: () => void,
  { intervalMs = INTERVAL_MS, largest }: WatchOptions,
): () => void {
  const look = () => {
    const bytes = readRegular(path, largest);
    return bytes instanceof FileFault ? bytes.problem : createHash("sha256").update(bytes).digest("hex");
  };
  let told = look();
  let last = told;
  const timer = setInterval(() => {
    const now = look();
    if (now === last && now !== told) {
      told = now;
      onChange();
    }
    last = now;
  }, intervalMs).unref();
  return () => clearInterval(timer);
}
