/** Searches bytes for a plaintext, also in the forms in which a careless guest would write it. */
import { fromBinary } from "@bufbuild/protobuf";
import { LogWriteRequestSchema, NetRequestSchema } from "../../proto/provider/v1/provider_pb.ts";
import type { Outcome, TestedRpc } from "./outcome.ts";

/** In bytes. Fewer can occur by chance. */
const WINDOW = 8;

/**
 * Searches for a part of a plaintext: as it is, backwards, as hexadecimal digits, in base64 at each of its three alignments, and with one
 * byte added or XORed to each.
 * @returns the form, or undefined
 */
export function formIn(haystack: Uint8Array, plaintext: Uint8Array): string | undefined {
  // short or monotonous plaintexts occur by chance
  if (plaintext.length < WINDOW || new Set(plaintext).size < WINDOW) return undefined;
  const bytes = Buffer.from(haystack);
  const text = bytes.toString("latin1");
  for (let at = 0; at + WINDOW <= plaintext.length; at++) {
    const part = Buffer.from(plaintext.subarray(at, at + WINDOW));
    if (bytes.includes(part)) return "as it is";
    if (bytes.includes(Buffer.from(part).reverse())) return "backwards";
    if (text.toLowerCase().includes(part.toString("hex"))) return "in hexadecimal digits";
    // the first letters and the last depend on the neighbours
    const letters = part.toString("base64").slice(0, Math.floor((WINDOW * 8) / 6));
    if (text.includes(letters) || text.includes(letters.replaceAll("+", "-").replaceAll("/", "_")))
      return "in base64";
  }
  return constantIn(bytes, plaintext);
}

/** Bytes whose differences from the plaintext are all the same: XOR or addition of one byte. */
function constantIn(bytes: Buffer, plaintext: Uint8Array): string | undefined {
  for (let at = 0; at + WINDOW <= bytes.length; at++) {
    for (const operation of [(a: number, b: number) => a ^ b, (a: number, b: number) => (a - b) & 255]) {
      const of = (i: number) => operation(bytes[at + i] ?? 0, plaintext[i] ?? 0);
      const first = of(0);
      let i = 1;
      while (i < WINDOW && of(i) === first) i++;
      if (i === WINDOW) return "with one byte XORed or added to each of its bytes";
    }
  }
  return undefined;
}

/** @returns where a call wrote one of the plaintexts: log lines, the failure's message, paths and headers of requests */
export function placesOf(outcome: Outcome<TestedRpc>, plaintexts: readonly Uint8Array[]): string[] {
  const written: [place: string, bytes: Uint8Array][] = outcome.lines.map((line) => [
    "a log line",
    messageOf(line),
  ]);
  if (outcome.kind === "failure") written.push(["the message of a failure", Buffer.from(outcome.message)]);
  for (const { capability, request } of outcome.made) {
    if (capability === "net") written.push(["the path or a header of a request", headOf(request)]);
  }
  return written.flatMap(([place, bytes]) =>
    plaintexts.flatMap((plaintext) => {
      const form = formIn(bytes, plaintext);
      return form === undefined ? [] : [`${place} has the plaintext ${form}`];
    }),
  );
}

/** @param line a LogWriteRequest @returns its text */
export function messageOf(line: Uint8Array): Uint8Array {
  try {
    return Buffer.from(fromBinary(LogWriteRequestSchema, line).message);
  } catch {
    return line;
  }
}

function headOf(request: Uint8Array): Uint8Array {
  try {
    const { path, headers } = fromBinary(NetRequestSchema, request);
    return Buffer.from([path, ...headers.map(({ name, value }) => `${name}: ${value}`)].join("\n"));
  } catch {
    return request;
  }
}
