/** Files with one secret in them, which somebody else puts there. A newline at the end is not a part of it. */
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
 * @param faultOf says what is wrong with the text, or undefined
 * @throws Unreachable that names the path
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

/** Changes when the file does: also when it was replaced by one of the same size and time. Not blocking. */
export async function markOf({ file }: SecretPath): Promise<string> {
  try {
    const status = await stat(file, { bigint: true });
    return [status.dev, status.ino, status.size, status.mtimeNs, status.ctimeNs].join(" ");
  } catch (error) {
    return `none: ${codeOf(error)}`;
  }
}

function readFile({ file, projected }: SecretPath): Buffer {
  const content = readSecretFile(file, MAX_BYTES, projected ? "public" : "given");
  // Without a cause: what is not there cannot leak.
  if (content instanceof FileFault) throw unusable(file, `it ${content.text}`);
  return content;
}

/** In memory of its own: what was read is wiped. */
function withoutNewline(content: Buffer): Buffer {
  let end = content.length;
  if (content[end - 1] === 0x0a) end -= content[end - 2] === 0x0d ? 2 : 1;
  const copy = Buffer.alloc(end);
  content.copy(copy);
  return copy;
}

function unusable(path: string, what: string): Unreachable {
  return new Unreachable(`the secret file ${path} cannot be used: ${what}`);
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "unknown";
}
