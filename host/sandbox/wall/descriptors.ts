/**
 * Closes the descriptors that the host inherited. Node opens its own with close-on-exec. libuv sets it on inherited ones too, but only up to
 * the first gap after number 15. Every process that the host starts would inherit the others.
 */
import { closeSync, readdirSync, readFileSync } from "node:fs";

const STDERR = 2;
const CLOSE_ON_EXEC = 0o2000000;

/**
 * Closes the descriptors that a child process would inherit, except stdin, stdout and stderr.
 * @returns the closed descriptors
 */
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
    // The descriptor of the directory listing, which is closed by now.
    return "";
  }
}
