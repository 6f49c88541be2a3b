/** Runs a case of the files: a changed request, or a changed answer of the host. */
import { fromBinary } from "@bufbuild/protobuf";
import { NetResponseSchema } from "../../proto/provider/v1/provider_pb.ts";
import { type HostAnswer, HostCode } from "../host-call.ts";
import type { MadeCall, Replace } from "./call-script.ts";
import type { Case, HostChange, RequestChange } from "./case-file.ts";
import { type Check, eachOf, type Level } from "./check.ts";
import { faultOf } from "./expectation.ts";
import type { TestedRpc } from "./outcome.ts";
import type { Json } from "./pattern.ts";
import { netResponse } from "./scripted-kms.ts";
import type { Subject } from "./subject.ts";
import { encodeFields, fieldsOf, type WireField } from "./wire.ts";

/** Unknown fields of the wire types 0, 1, 2 and 5. */
const GREASE = Buffer.from("f83e01f93e0102030405060708fa3e020a00fd3e01020304", "hex");
const LONG = "A".repeat(40 << 10);

/** @returns the case as a check */
export function checkOf(given: Case): Check {
  const { name, section } = given;
  const run = given.host === undefined ? runRequests : runHost;
  return { name, section, level: given.level as Level, run: (subject) => run(subject, given) };
}

async function runRequests(subject: Subject, { rpcs, request = { times: 1 }, expect }: Case) {
  const variants = await Promise.all(
    rpcs.map(async (rpc) =>
      changedRequests(await subject.request(rpc), request).map((each) => [rpc, each] as const),
    ),
  );
  const { plaintext } = await subject.good();
  return await eachOf(subject, variants.flat(), async ([rpc, message]) => {
    const outcome = await subject.call(rpc, message, {}, rpc === "status" ? [] : [plaintext]);
    const fault = await faultOf(subject, rpc, outcome, expect);
    return fault && `${rpc} with the request ${Buffer.from(message).toString("hex").slice(0, 400)} ${fault}`;
  });
}

/** @returns the variants of a message */
export function changedRequests(message: Uint8Array, change: RequestChange): Uint8Array[] {
  const fields = fieldsOf(message);
  const { insert, append, times, fillTo } = change;
  if (insert !== undefined) {
    const bytes = Buffer.from(insert.repeat(times), "hex");
    const cuts = [0, ...fields.map((_, i) => encodeFields(fields.slice(0, i + 1)).length)];
    return cuts.map((at) => Buffer.concat([message.subarray(0, at), bytes, message.subarray(at)]));
  }
  if (append !== undefined) return [Buffer.concat([message, Buffer.from(append, "hex")])];
  if (fillTo !== undefined) return [filled(message, fillTo)];
  if (change.order !== undefined) return [encodeFields(reversed(fields))];
  if (change.earlier) return [encodeFields(fields.flatMap((field, i) => withEarlier(field, i, fields)))];
  return [encodeFields(fields, change.lengths !== undefined)];
}

/** Adds an unknown LEN field. */
function filled(message: Uint8Array, size: number): Uint8Array {
  const header = encodeFields([{ number: 1007, type: 2, value: new Uint8Array(size) }]).length - size;
  return Buffer.concat([
    message,
    encodeFields([{ number: 1007, type: 2, value: new Uint8Array(size - message.length - header) }]),
  ]);
}

function reversed(fields: readonly WireField[]): WireField[] {
  const numbers = [...new Set(fields.map(({ number }) => number))].reverse();
  return numbers.flatMap((number) => fields.filter((field) => field.number === number));
}

/** Puts another value before a field of type text or bytes that occurs once and is not the message of a list. */
function withEarlier(field: WireField, index: number, all: readonly WireField[]): WireField[] {
  const isList = all.some((other, i) => i !== index && other.number === field.number);
  // 5 and 6 are the lists of the three requests; 2 is that of StatusRequest and the text `version` in the others
  const mayBeList = field.number >= 5 || (field.number === 2 && all.every(({ number }) => number < 3));
  return isList || mayBeList || field.type !== 2
    ? [field]
    : [{ ...field, value: Buffer.from("earlier") }, field];
}

/** A host call of a good call: the how-many-th of its operation, because a KMS with a memory does not see the same calls each time. */
interface Target {
  readonly rpc: TestedRpc;
  readonly operation: string;
  readonly nth: number;
}

async function runHost(subject: Subject, { rpcs, host: given, expect }: Case) {
  if (given === undefined) return [];
  const host = withRefusal(given, subject);
  const targets: Target[] = [];
  for (const rpc of rpcs) targets.push(...targetsIn(rpc, (await subject.callGood(rpc)).made, host));
  if (targets.length === 0) return { skipped: "no host call of this kind is made" };
  return await eachOf(subject, targets, async ({ rpc, operation, nth }) => {
    let seen = 0;
    let isAnswered = false;
    const replace: Replace = async (call, _, own) => {
      if (nameOf(call) === operation) seen += 1;
      const isTarget = seen === nth && nameOf(call) === operation;
      if (!isTarget && !(host.onwards && isAnswered)) return undefined;
      isAnswered = true;
      return changedAnswer(isOfOwn(host) ? await own() : EMPTY, call, host);
    };
    const outcome = await subject.callGood(rpc, { replace });
    const fault = isAnswered ? await faultOf(subject, rpc, outcome, expect) : undefined;
    return (
      fault && `${rpc}, where ${nth === 1 ? "" : `number ${nth} of `}${operation} is answered so, ${fault}`
    );
  });
}

/** A status without a body has the one that the KMS of the fixture sends with it. */
function withRefusal(host: HostChange, { options: { refusals = {} } }: Subject): HostChange {
  const { status, text, hex, body } = host;
  const refusal = status === undefined ? undefined : refusals[status];
  if (refusal === undefined || [text, hex, body].some((each) => each !== undefined)) return host;
  return { ...host, text: JSON.stringify(refusal) };
}

function targetsIn(rpc: TestedRpc, made: readonly MadeCall[], host: HostChange): Target[] {
  const counts = new Map<string, number>();
  return made.flatMap((each) => {
    const operation = nameOf(each);
    const nth = (counts.get(operation) ?? 0) + 1;
    counts.set(operation, nth);
    return changedAnswer(each.answer, each, host) === undefined ? [] : [{ rpc, operation, nth }];
  });
}

function nameOf({ capability, operation }: Pick<MadeCall, "capability" | "operation">): string {
  return `${capability} ${operation}`;
}

/** Gives something back. A guest that has its result may ignore that this failed. */
const RELEASE = "tpm leave";

const EMPTY: HostAnswer = { code: HostCode.OK, message: "", body: new Uint8Array() };

/** @returns true if the change is one of the host's own answer */
function isOfOwn({ body, greased }: HostChange): boolean {
  return body !== undefined || greased;
}

/** @returns the changed answer; undefined if the change does not concern a host call of this kind */
function changedAnswer(
  good: HostAnswer,
  call: Pick<MadeCall, "capability" | "operation">,
  change: HostChange,
): HostAnswer | undefined {
  const { code, of, status, greased } = change;
  const { capability } = call;
  const name = nameOf(call);
  const isConcerned = name === RELEASE ? of?.includes(name) : (of?.includes(capability) ?? true);
  if (!isConcerned) return undefined;
  if (code !== HostCode.OK)
    return { code, message: "answered by the conformance kit", body: new Uint8Array() };
  if (greased) return { ...good, body: Buffer.concat([GREASE, good.body, GREASE]) };
  if (capability !== "net" || status === undefined) return undefined;
  const body = bodyOf(good.body, change);
  if (body === undefined) return undefined;
  const headers = [{ name: "content-type", value: "application/json" }];
  return { ...good, body: netResponse({ status, headers, body }) };
}

function bodyOf(good: Uint8Array, { text, hex, times, body }: HostChange): Uint8Array | undefined {
  if (hex !== undefined) return Buffer.from(hex.repeat(times), "hex");
  if (text !== undefined) return Buffer.from(text.repeat(times));
  if (body === undefined) return Buffer.from('{"message":"the conformance kit refuses"}');
  const bytes = fromBinary(NetResponseSchema, good).body;
  if (body === "good") return bytes;
  // without the white space at its end a document is still complete
  if (body === "cut")
    return Buffer.from(Buffer.from(bytes).toString("latin1").trimEnd().slice(0, -1), "latin1");
  const changed = changedJson(bytes, body);
  return changed === undefined ? undefined : Buffer.from(JSON.stringify(changed));
}

function changedJson(bytes: Uint8Array, form: NonNullable<HostChange["body"]>): Json | undefined {
  let value: Json;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
  if (form === "strings emptied") return mapStrings(value, () => "");
  if (form === "strings to numbers") return mapStrings(value, () => 7);
  if (form === "strings of 40 KiB") return mapFirstString(value);
  return withUnknown(value);
}

function mapStrings(value: Json, change: (text: string) => Json): Json {
  if (typeof value === "string") return change(value);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((each: Json) => mapStrings(each, change));
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, mapStrings(each, change)]));
}

/** One of them: an answer of the host has at most 64 KiB. */
function mapFirstString(value: Json): Json {
  let isFirst = true;
  return mapStrings(value, (text) => {
    const changed = isFirst ? LONG : text;
    isFirst = false;
    return changed;
  });
}

/** On the first level only: further down, names can be data. */
function withUnknown(value: Json): Json {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return { kit_first: { nested: ["text", 1.5e3, null, true] }, ...value, kit_last: "\u00e9\\u0022" };
}
