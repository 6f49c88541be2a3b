/**
 * The history of the keys: one JSON object on a line, each with the SHA-256 of itself and of the line before it. The checksum detects a
 * damaged file and a changed order. It does not protect against somebody who can write the file.
 */
import { createHash } from "node:crypto";

export interface KeyUse {
  readonly name: string;
  /** Of a composed key: its mode and members, such as "anyOf(vault-kek,tpm-kek)". */
  readonly provider: string;
  readonly use: "active" | "decrypt" | "member";
}

/** A change of the configuration that a command makes. `before` and `after` are the SHA-256 of the file's text, 64 hex digits. */
export interface Change {
  readonly event: "stage" | "promote" | "retire";
  readonly key: string;
  readonly provider: string;
  readonly before: string;
  readonly after: string;
  /** The hash of the key's key_id as the metrics of the API server have it: `sha256:` and 64 hex digits. Absent: unknown. */
  readonly key_id_hash?: string | undefined;
  /** True: the staged key existed before the command. */
  readonly found?: true | undefined;
  /** The key that is no longer active, and its hash. */
  readonly replaces?: string | undefined;
  readonly replaces_key_id_hash?: string | undefined;
  /** The proof that no object needs a retired key. */
  readonly proof?: string | undefined;
  /** The reasons against the change that --force overrode. */
  readonly forced?: readonly string[] | undefined;
}

export type HistoryEvent =
  /** The first record: the keys of the configuration, of whose past nothing is known. */
  | { readonly event: "begin"; readonly keys: readonly KeyUse[] }
  /** Records were lost. `former`: further names that may have been used. */
  | {
      readonly event: "recover";
      readonly keys: readonly KeyUse[];
      readonly former: readonly string[];
      readonly lost: string;
    }
  /** The keys of the configuration after a change that no command made. */
  | { readonly event: "found"; readonly keys: readonly KeyUse[] }
  /** A command is about to create a key: files of this name are then its own, also after it was killed. */
  | { readonly event: "create"; readonly key: string; readonly provider: string }
  | Change
  /** The outcome of the change with this number: it reached the configuration, or it did not. */
  | { readonly event: "done" | "undone"; readonly of: number }
  /** The running host was seen to encrypt with this key. */
  | { readonly event: "serve"; readonly key: string; readonly key_id_hash: string };

export type HistoryRecord = HistoryEvent & {
  /** Counts from 1. Numbers are missing only before a record "recover". */
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly at: string;
};

/** A line of the file. */
export interface Line {
  readonly record: HistoryRecord;
  readonly text: string;
  readonly sha256: string;
}

const SEALED = /^(\{.*),"sha256":"([0-9a-f]{64})"\}$/;

/** @param previous the SHA-256 of the line before; empty for the first one */
export function lineOf(record: HistoryRecord, previous: string): Line {
  const { seq, at, event, ...fields } = record;
  const body = JSON.stringify({ seq, at, event, ...fields });
  const sha256 = checksum(previous, body);
  return { record, text: `${body.slice(0, -1)},"sha256":"${sha256}"}`, sha256 };
}

/**
 * Parses the file.
 * @returns the lines before the first fault, and the fault as a sentence after the path of the file
 */
export function parseLines(text: string): { readonly lines: readonly Line[]; readonly fault?: string } {
  const lines: Line[] = [];
  const texts = text.split("\n");
  if (texts.pop() !== "") return { lines: parseLines(`${texts.join("\n")}\n`).lines, fault: "is cut" };
  for (const [index, each] of texts.entries()) {
    const before = lines.at(-1);
    const line = parseLine(each, before?.sha256 ?? "");
    const fault =
      line === undefined
        ? "is damaged"
        : follows(line, before)
          ? undefined
          : "has a number twice or misses one";
    if (line === undefined || fault !== undefined) return { lines, fault: `${fault} at line ${index + 1}` };
    lines.push(line);
  }
  return lines.length === 0 ? { lines, fault: "is empty" } : { lines };
}

function parseLine(text: string, previous: string): Line | undefined {
  const [, body = "", sha256 = ""] = SEALED.exec(text) ?? [];
  if (sha256 === "" || checksum(previous, `${body}}`) !== sha256) return undefined;
  // The checksum is right, so this program wrote it.
  return { record: JSON.parse(`${body}}`), text, sha256 };
}

function follows({ record }: Line, before: Line | undefined): boolean {
  const next = (before?.record.seq ?? 0) + 1;
  return record.seq === next || (record.event === "recover" && record.seq > next);
}

function checksum(previous: string, body: string): string {
  return createHash("sha256").update(`${previous}\n${body}`).digest("hex");
}
