/**
 * Reads the certificates of a PEM file (RFC 7468) one by one. OpenSSL stops at the first that it cannot read, in silence, and drops those
 * after it, too.
 */
import { X509Certificate } from "node:crypto";

export interface PemFile {
  readonly certificates: readonly X509Certificate[];
  /** One for each certificate or boundary that cannot be read, as the end of a sentence about the file. */
  readonly faults: readonly string[];
}

interface Block {
  readonly label: string;
  readonly begin: number;
  readonly lines: string[];
}

const BOUNDARY = /^-----(BEGIN|END) ([A-Z0-9 ]+)-----\s*$/;

export function readPem(content: Buffer): PemFile {
  const certificates: X509Certificate[] = [];
  const faults: string[] = [];
  let count = 0;
  let block: Block | undefined;
  const unfinished = ({ label, begin }: Block) => `the ${label} that begins in line ${begin} has no end`;
  const finish = (done: Block) => {
    if (!done.label.endsWith("CERTIFICATE")) return;
    count++;
    const certificate = parse(done.lines.join("\n"));
    if (certificate !== undefined) certificates.push(certificate);
    else faults.push(`certificate ${count}, which begins in line ${done.begin}, cannot be read`);
  };
  for (const [i, line] of content
    .toString("latin1")
    .replace(/^\xef\xbb\xbf/, "")
    .split(/\r?\n/)
    .entries()) {
    const [, kind, label = ""] = BOUNDARY.exec(line) ?? [];
    if (kind === undefined && line.trimStart().startsWith("-----"))
      faults.push(`line ${i + 1} is neither a BEGIN nor an END of PEM`);
    if (kind === "BEGIN") {
      if (block !== undefined) faults.push(unfinished(block));
      block = { label, begin: i + 1, lines: [line] };
    } else if (block !== undefined) block.lines.push(line);
    if (kind === "END") {
      if (block?.label === label) finish(block);
      else faults.push(`line ${i + 1} ends a ${label} that did not begin`);
      block = undefined;
    }
  }
  if (block !== undefined) faults.push(unfinished(block));
  return { certificates, faults };
}

function parse(text: string): X509Certificate | undefined {
  try {
    return new X509Certificate(text);
  } catch {
    return undefined;
  }
}
