/**
 * A recording of calls: JSON lines, one for each call of the guest and, before it, one for each of its host calls, random bytes included.
 * It is written above the capabilities, where a guest is: the host's credential is added below, and cannot be in it. The plaintexts are in it.
 */
import * as z from "zod";
import { type Gate, type HostAnswer, HostCode, refusal } from "../host-call.ts";
import type { MadeCall } from "./call-script.ts";
import { TESTED } from "./outcome.ts";

const HEX = z.string().regex(/^([0-9a-f]{2})*$/);
const HEAD = z.strictObject({ recording: z.literal(1), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const HOST_LINE = z.strictObject({
  operation: z.string(),
  request: HEX,
  code: z.int().min(0),
  message: z.string(),
  body: HEX,
});
const CALL_LINE = z.strictObject({ rpc: z.enum(TESTED), request: HEX, reply: HEX });

export type CallLine = z.infer<typeof CALL_LINE>;
export interface Recording {
  /** SHA-256 of the module. */
  readonly sha256: string;
  readonly calls: readonly (CallLine & { readonly made: readonly z.infer<typeof HOST_LINE>[] })[];
}

/** @returns the first line */
export function headLine(sha256: string): string {
  return JSON.stringify({ recording: 1, sha256 });
}

/** @param reply the output of the guest; empty if it gave none */
export function callLines(
  rpc: string,
  request: Uint8Array,
  reply: Uint8Array,
  made: readonly MadeCall[],
): string[] {
  const host = made.map(({ capability, operation, request: asked, answer: { code, message, body } }) => ({
    operation: `${capability} ${operation}`,
    request: hex(asked),
    code,
    message,
    body: hex(body),
  }));
  return [...host, { rpc, request: hex(request), reply: hex(reply) }].map((line) => JSON.stringify(line));
}

/** @throws Error with the number of the line that is not one of a recording */
export function parseRecording(text: string): Recording {
  const [first = "", ...rest] = text.trimEnd().split("\n");
  const { sha256 } = parseLine(HEAD, first, 1);
  const calls: Recording["calls"][number][] = [];
  let made: z.infer<typeof HOST_LINE>[] = [];
  for (const [index, line] of rest.entries()) {
    const parsed = parseLine(z.union([HOST_LINE, CALL_LINE]), line, index + 2);
    if ("rpc" in parsed) {
      calls.push({ ...parsed, made });
      made = [];
    } else made.push(parsed);
  }
  if (made.length > 0) throw new Error(`line ${rest.length + 1} is not followed by the call that made it`);
  return { sha256, calls };
}

function parseLine<T>(schema: z.ZodType<T>, line: string, number: number): T {
  try {
    return schema.parse(JSON.parse(line));
  } catch (error) {
    throw new Error(`line ${number} is not one of a recording`, { cause: error });
  }
}

/**
 * A gate that gives recorded answers: to each request the answers that its operation with the same bytes got, in their order.
 * @param onUnknown called for a request that the recording does not have, or not so often
 */
export function replayGate(
  made: Recording["calls"][number]["made"],
  onUnknown: (operation: string) => void,
): Gate {
  const answers = new Map<string, HostAnswer[]>();
  for (const { operation, request, code, message, body } of made) {
    const key = `${operation} ${request}`;
    answers.set(key, [...(answers.get(key) ?? []), { code, message, body: Buffer.from(body, "hex") }]);
  }
  return async ({ capability, operation, request }) => {
    const found = answers.get(`${capability} ${operation} ${hex(request)}`)?.shift();
    if (found !== undefined) return found;
    onUnknown(`${capability} ${operation}`);
    return refusal(HostCode.UNAVAILABLE, "the recording does not have this request");
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
