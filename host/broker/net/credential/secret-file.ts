/**
 * Files with one secret in them. A newline at the end is no part of it.
 *
 * They are the owner's alone (0600) and no links, as all secrets of the host are. The exception is a service account's token: the
 * kubelet projects it as a link (NAME to ..data/NAME, so that it can be replaced in one step) with mode 0644, and neither can be
 * configured away. It lives for minutes and is the pod's own, so there a link is followed and others may read it; they may not write it,
 * or they would say who the host is.
 */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { lstat, stat } from "node:fs/promises";
import { readOpen, readPrivate } from "../../files.ts";
import { Unreachable } from "../exchange.ts";
import { Secret } from "./secret.ts";

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
export async function markOf({ file, projected }: SecretPath): Promise<string> {
  try {
    const status = projected ? await stat(file, { bigint: true }) : await lstat(file, { bigint: true });
    return [status.dev, status.ino, status.size, status.mtimeNs, status.ctimeNs].join(" ");
  } catch (error) {
    return `none: ${codeOf(error)}`;
  }
}

function readFile({ file, projected }: SecretPath): Buffer {
  const invalid = (what: string) => unusable(file, what);
  let content: Buffer | undefined;
  try {
    content = projected ? readProjected(file) : readPrivate(file, MAX_BYTES, invalid);
  } catch (error) {
    if (error instanceof Unreachable) throw error;
    // Without the error as its cause: what is not there cannot leak.
    if (codeOf(error) !== "ENOENT") throw invalid(`it cannot be read (${codeOf(error)})`);
  }
  if (content === undefined) throw invalid("it does not exist");
  return content;
}

function readProjected(path: string): Buffer {
  // Not blocking: what stands there may be a pipe, and is looked at only when it is open.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const status = fstatSync(file);
    if (!status.isFile()) throw unusable(path, "it is no regular file");
    if ((status.mode & 0o022) !== 0) {
      const mode = (status.mode & 0o777).toString(8).padStart(4, "0");
      throw unusable(path, `its mode is ${mode}, others may write it; it should be 0644 or less`);
    }
    return readOpen(file, MAX_BYTES, (what) => unusable(path, what));
  } finally {
    closeSync(file);
  }
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
