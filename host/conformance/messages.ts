/** Checks of level 1 that are code: the vectors, and requests that are cut at each byte. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Check, eachOf } from "./check.ts";
import { outcomeText, TESTED, type TestedRpc } from "./outcome.ts";
import type { Subject } from "./subject.ts";
import { encodeFields, fieldsOf, type WireField } from "./wire.ts";

const VECTORS = join(import.meta.dirname, "../../proto/provider/v1/vectors.json");
const RPC_OF: Readonly<Record<string, TestedRpc>> = {
  StatusRequest: "status",
  EncryptRequest: "encrypt",
  DecryptRequest: "decrypt",
};

interface Vector {
  readonly name: string;
  readonly message: string;
  readonly hex: string;
}

export const MESSAGE_CHECKS: readonly Check[] = [
  {
    name: "vectors_of_requests",
    level: 1,
    section: "8",
    // the keys of the vectors do not exist here, and no configuration has such names: any reply will do
    run: (subject) => onVectors(subject, "messages", ({ kind }) => kind === "trap" || kind === "gone"),
  },
  {
    name: "vectors_of_malformed_requests",
    level: 1,
    section: "8",
    run: (subject) => onVectors(subject, "bad_messages", ({ kind }) => kind !== "failure" && kind !== "trap"),
  },
  { name: "request_cut_at_each_byte", level: 1, section: "4", run: cutRequests },
];

async function onVectors(
  subject: Subject,
  list: "messages" | "bad_messages",
  isFault: (outcome: Awaited<ReturnType<Subject["call"]>>) => boolean,
) {
  const all = JSON.parse(readFileSync(VECTORS, "utf8"))[list] as Vector[];
  const requests = all.filter(({ message }) => Object.hasOwn(RPC_OF, message));
  return await eachOf(subject, requests, async ({ name, message, hex }) => {
    const rpc = RPC_OF[message] ?? "status";
    const outcome = await subject.call(rpc, Buffer.from(hex, "hex"));
    return isFault(outcome) ? `${rpc} with the vector ${name} gave ${outcomeText(outcome)}` : undefined;
  });
}

/**
 * Each field in turn is the last one, and is cut at each of its bytes: a guest that drops the field, or takes the rest of it, would not notice
 * that a later one is missing.
 */
async function cutRequests(subject: Subject): Promise<string[]> {
  const cuts: [rpc: TestedRpc, message: Uint8Array][] = [];
  for (const rpc of TESTED)
    for (const cut of cutsOf(fieldsOf(await subject.request(rpc)))) cuts.push([rpc, cut]);
  const { plaintext } = await subject.good();
  return await eachOf(subject, cuts, async ([rpc, message]) => {
    const outcome = await subject.call(rpc, message, {}, rpc === "status" ? [] : [plaintext]);
    const isRefused = outcome.kind === "failure" || outcome.kind === "trap";
    const hex = Buffer.from(message).toString("hex");
    return isRefused
      ? undefined
      : `${rpc} with the request ${hex}, whose end is missing, gave ${outcomeText(outcome)}`;
  });
}

function cutsOf(fields: readonly WireField[]): Uint8Array[] {
  return fields.flatMap((field, index) => {
    const others = encodeFields(fields.toSpliced(index, 1));
    const last = encodeFields([field]);
    return Array.from({ length: last.length - 1 }, (_, i) =>
      Buffer.concat([others, last.subarray(0, i + 1)]),
    );
  });
}
