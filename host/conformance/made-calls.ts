/** Host calls as text, for messages and for a trace. Contains no body: only names, paths, codes and sizes. */
import { fromBinary } from "@bufbuild/protobuf";
import { NetRequestSchema, NetResponseSchema } from "../../proto/provider/v1/provider_pb.ts";
import { HostCode } from "../host-call.ts";
import { escapeForTerminal } from "../lib/text.ts";
import type { MadeCall } from "./call-script.ts";

/** The most host calls in one text. */
const MAX_CALLS = 8;

/** @returns the host calls of a call, such as "net request GET /keys/kek (status 404)" */
export function callsText(made: readonly MadeCall[]): string {
  if (made.length === 0) return "it made no host call";
  const texts = made.slice(0, MAX_CALLS).map((each) => `${nameOf(each)} (${resultOf(each)})`);
  const more = made.length > MAX_CALLS ? [`and ${made.length - MAX_CALLS} more`] : [];
  return `its host calls: ${[...texts, ...more].join(", ")}`;
}

/** @returns the operation, and the method and the path of a request over HTTP */
export function nameOf({ capability, operation, request }: Omit<MadeCall, "answer">): string {
  const name = `${capability} ${operation}`;
  if (capability !== "net") return name;
  const found = decoded(() => fromBinary(NetRequestSchema, request));
  return found === undefined ? name : `${name} ${escapeForTerminal(`${found.method} ${found.path}`)}`;
}

/** @returns the code of an answer, or the status of a response */
export function resultOf({ capability, answer: { code, body, message } }: Omit<MadeCall, "request">): string {
  if (code !== HostCode.OK) return `code ${code}: ${escapeForTerminal(message)}`;
  const found = capability === "net" ? decoded(() => fromBinary(NetResponseSchema, body)) : undefined;
  return found === undefined ? "ok" : `status ${found.status}`;
}

function decoded<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}
