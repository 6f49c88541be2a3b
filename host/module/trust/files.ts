/** Signature files, read with bounds. What cannot be read is told, not thrown: another signature may be enough. */
import { FileFault, readRegular } from "../../lib/files.ts";

export type SignatureFile =
  | { readonly path: string; readonly text: string }
  /** `fault` is a clause that follows the path. */
  | { readonly path: string; readonly fault: string };

/** In bytes. A signature is 300, and minisign's comments are at most 8 KiB. */
export const LARGEST_SIGNATURE = 8192;

export function readSignatures(paths: readonly string[]): SignatureFile[] {
  return paths.map((path) => ({ path, ...read(path) }));
}

function read(path: string): { text: string } | { fault: string } {
  const bytes = readRegular(path, LARGEST_SIGNATURE);
  if (!(bytes instanceof FileFault)) {
    try {
      return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
    } catch {
      return { fault: "is not UTF-8 text; get it again from the publisher" };
    }
  }
  return { fault: `${bytes.what}; ${remedyOf(bytes)}` };
}

function remedyOf({ kind, remedy }: FileFault): string {
  if (kind === "missing")
    return 'get the signature from the publisher, or make it with "minisign -S", and put it there';
  return kind === "denied" ? remedy : "put the signature there";
}
