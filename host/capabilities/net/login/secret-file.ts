/** Reads files that hold one secret and that another program writes. A newline at the end is not part of the secret. */
import { stat } from "node:fs/promises";
import { FileFault } from "../../../lib/files.ts";
import { Secret } from "../../../lib/secret.ts";
import { readSecretFile } from "../../../lib/secret-files.ts";
import { Unreachable } from "../exchange.ts";

const MAX_BYTES = 64 * 1024;

export interface SecretPath {
  readonly file: string;
  readonly projected?: boolean | undefined;
}

/**
 * @param faultOf returns the fault of the text, or undefined
 * @returns the secret; the caller wipes it
 * @throws Unreachable naming the path
 */
export function readSecret(path: SecretPath, faultOf: (text: string) => string | undefined): Secret {
  const content = readFile(path);
  const secret = new Secret(withoutNewline(content));
  content.fill(0);
  const fault = faultOf(secret.text());
  if (fault === undefined) return secret;
  secret.wipe();
  throw unusable(path.file, fault);
}

/** A stamp that changes with the file, also if a file of the same size and time replaces it. Does not block. */
export async function stampOf({ file }: SecretPath): Promise<string> {
  try {
    const status = await stat(file, { bigint: true });
    return [status.dev, status.ino, status.size, status.mtimeNs, status.ctimeNs].join(" ");
  } catch (error) {
    return `none: ${codeOf(error)}`;
  }
}

function readFile({ file, projected }: SecretPath): Buffer {
  const content = readSecretFile(file, MAX_BYTES, projected ? "public" : "given");
  // Without a cause, which could leak the content.
  if (content instanceof FileFault) throw unusable(file, `it ${content.text}`);
  return content;
}

/** A copy, because the caller wipes the buffer that was read. */
function withoutNewline(content: Buffer): Buffer {
  let end = content.length;
  if (content[end - 1] === 0x0a) end -= content[end - 2] === 0x0d ? 2 : 1;
  const copy = Buffer.alloc(end);
  content.copy(copy);
  return copy;
}

function unusable(path: string, what: string): Unreachable {
  return new Unreachable(`the secret file ${path} cannot be used: ${what}`, "file");
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "unknown";
}
