/** SHA256SUMS and its signature, which cover the files of a folder. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type SecretKey, signatureOf } from "./minisign.ts";

export interface SummedFile {
  readonly name: string;
  readonly sha256: string;
  /** In bytes. */
  readonly size: number;
}

export function sumOf(name: string, bytes: Uint8Array): SummedFile {
  return { name, sha256: createHash("sha256").update(bytes).digest("hex"), size: bytes.length };
}

/** @returns the text of SHA256SUMS, in the format of sha256sum */
export function sumsOf(files: readonly SummedFile[]): string {
  return files.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join("");
}

/**
 * Writes SHA256SUMS, and SHA256SUMS.minisig if there is a key.
 * @param comment begins the line that the signature covers
 * @returns the files of the folder, sorted by name
 */
export function writeSums(
  folder: string,
  names: readonly string[],
  secret: SecretKey | undefined,
  comment: string,
): SummedFile[] {
  const files = names.toSorted().map((name) => sumOf(name, readFileSync(join(folder, name))));
  const sums = Buffer.from(sumsOf(files));
  writeFileSync(join(folder, "SHA256SUMS"), sums);
  if (secret !== undefined)
    writeFileSync(
      join(folder, "SHA256SUMS.minisig"),
      signatureOf(secret, sums, `${comment} file:SHA256SUMS`),
    );
  return files;
}
