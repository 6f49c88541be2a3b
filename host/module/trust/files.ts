/** Reads signature files, with bounds. A file that cannot be read is a fault, not an exception: another signature may be enough. */
import { FileFault, readRegular } from "../../lib/files.ts";

export type SignatureFile =
  | { readonly path: string; readonly text: string }
  /** `fault` is a clause whose subject is the file. */
  | { readonly path: string; readonly fault: string };

/** Maximum size of a signature file in bytes. A typical file has 300; minisign limits its comments to 8 KiB. */
export const MAX_SIGNATURE_FILE = 8192;

/** @returns one entry for each path, in the same order */
export function readSignatures(paths: readonly string[]): SignatureFile[] {
  return paths.map((path) => ({ path, ...read(path) }));
}

function read(path: string): { text: string } | { fault: string } {
  const bytes = readRegular(path, MAX_SIGNATURE_FILE);
  if (!(bytes instanceof FileFault)) {
    try {
      return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
    } catch {
      return { fault: "is not valid UTF-8; get it again from the publisher" };
    }
  }
  return { fault: `${bytes.what}; ${remedyOf(bytes)}` };
}

function remedyOf({ kind, remedy }: FileFault): string {
  if (kind === "missing")
    return 'get the signature from the publisher, or create it with "minisign -S", and put it there';
  return kind === "denied" ? remedy : "put the signature there";
}
