/** Reads a module and the signatures beside it, without a configuration. */
import { createHash } from "node:crypto";
import { readdirSync, readSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { ModuleFile, UnverifiedSignature } from "../inspect/report.ts";
import { FileFault, withRegular } from "../lib/files.ts";
import { MAX_MODULE } from "../module/contract.ts";
import { readSignatures } from "../module/trust/files.ts";
import { MinisignError, parseSignature } from "../module/trust/minisign.ts";
import { UsageError } from "./usage-error.ts";

const CHUNK = 1 << 20;
/** The number that a provider may have. */
const MAX_SIGNATURES = 16;

/**
 * Reads a module file.
 * @returns the digest and the size of the entire file; `bytes` is cut one byte above the largest size of a module
 * @throws UsageError
 */
export function readModuleFile(path: string): ModuleFile {
  const file = withRegular(path, {}, (descriptor) => {
    const hash = createHash("sha256");
    const kept: Buffer[] = [];
    let size = 0;
    for (;;) {
      const chunk = Buffer.alloc(CHUNK);
      const read = readSync(descriptor, chunk, 0, CHUNK, null);
      if (read === 0) break;
      const part = chunk.subarray(0, read);
      hash.update(part);
      if (size <= MAX_MODULE) kept.push(part);
      size += read;
    }
    const bytes = Buffer.concat(kept).subarray(0, MAX_MODULE + 1);
    return { path, bytes, size, sha256: hash.digest("hex") };
  });
  if (file instanceof FileFault) throw new UsageError(`Cannot read ${path}: it ${file.text}`);
  return file;
}

/** @returns the paths of the signatures beside a module, sorted: MODULE.minisig and MODULE.<name>.minisig, at most 16 */
export function signaturesBeside(path: string): string[] {
  const start = `${basename(path)}.`;
  let names: string[];
  try {
    names = readdirSync(dirname(path));
  } catch {
    // the folder cannot be listed; reading this file reports the fault, if there is one
    return [`${path}.minisig`];
  }
  return names
    .filter((name) => name.startsWith(start) && name.endsWith(".minisig"))
    .sort()
    .slice(0, MAX_SIGNATURES)
    .map((name) => join(dirname(path), name));
}

/** Reads the key id and the trusted comment of signature files. Verifies nothing. */
export function signaturesSeen(paths: readonly string[]): UnverifiedSignature[] {
  return readSignatures(paths).map((file): UnverifiedSignature => {
    if ("fault" in file) return file;
    try {
      const { keyId, trustedComment } = parseSignature(file.text);
      return { path: file.path, keyId, trustedComment };
    } catch (error) {
      if (!(error instanceof MinisignError)) throw error;
      return { path: file.path, fault: `is not a minisign signature: it ${error.message}` };
    }
  });
}
