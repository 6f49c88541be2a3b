/** Signature files, read with bounds. What cannot be read is told, not thrown: another signature may be enough. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

export type SignatureFile =
  | { readonly path: string; readonly text: string }
  /** `fault` is a clause that follows the path. */
  | { readonly path: string; readonly fault: string };

/** In bytes. A signature is 300, and minisign's comments are at most 8 KiB. */
export const LARGEST_SIGNATURE = 8192;

export function readSignatures(paths: readonly string[]): SignatureFile[] {
  return paths.map((path) => {
    try {
      return { path, ...read(path) };
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? "unknown";
      const remedy =
        code === "ENOENT"
          ? 'get the signature from the publisher, or make it with "minisign -S", and put it there'
          : "let the user of the host read it";
      return { path, fault: `cannot be read (${code}); ${remedy}` };
    }
  });
}

function read(path: string): { text: string } | { fault: string } {
  // a named pipe without a writer would hold the start up for ever
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(descriptor).isFile()) return { fault: "is no regular file; put the signature there" };
    const buffer = Buffer.alloc(LARGEST_SIGNATURE + 1);
    let size = 0;
    // a read may give less than was asked for
    for (let got = -1; got !== 0 && size < buffer.length; size += got)
      got = readSync(descriptor, buffer, size, buffer.length - size, null);
    if (size > LARGEST_SIGNATURE)
      return { fault: `is more than ${LARGEST_SIGNATURE} bytes, so no signature; put the signature there` };
    return {
      text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(buffer.subarray(0, size)),
    };
  } catch (error) {
    if (error instanceof TypeError) return { fault: "is not UTF-8 text; get it again from the publisher" };
    throw error;
  } finally {
    closeSync(descriptor);
  }
}
