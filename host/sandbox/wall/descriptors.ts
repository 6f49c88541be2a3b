/**
 * Descriptors that the host itself inherited. Node opens its own with close-on-exec; libuv sets that on inherited ones too, but only up to
 * the first gap after number 15. What is left would reach every process that the host starts.
 */
import { closeSync, readdirSync, readFileSync } from "node:fs";

const STDERR = 2;
const CLOSE_ON_EXEC = 0o2000000;

/** Closes what a started process would inherit beside stdin, stdout and stderr. @returns the numbers that were closed */
export function closeInherited(): number[] {
  const inherited = readdirSync("/proc/self/fd").map(Number).filter(isInheritable);
  for (const descriptor of inherited) closeSync(descriptor);
  return inherited;
}

function isInheritable(descriptor: number): boolean {
  if (descriptor <= STDERR) return false;
  const flags = /^flags:\t(\d+)$/m.exec(infoOf(descriptor))?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
}

function infoOf(descriptor: number): string {
  try {
    return readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8");
  } catch {
    // The descriptor of the listing itself, which is gone.
    return "";
  }
}
