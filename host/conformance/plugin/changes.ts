/** Checks of Decrypt: what a writer of etcd can change is refused, and afterwards good objects open. */
import { randomBytes } from "node:crypto";
import { nameOfCode } from "../../grpc/client.ts";
import { eachOf, type Findings } from "../verdict.ts";
import { CLAUSES, type PluginCheck } from "./check.ts";
import { type Answer, answerText, type Plugin, type Stored } from "./plugin.ts";

const { secrecy, api, server } = CLAUSES;

export const CHANGE_CHECKS: readonly PluginCheck[] = [
  { name: "ciphertext_with_each_byte_changed", group: "decrypt", clause: secrecy, run: changedBytes },
  { name: "ciphertext_cut_at_each_byte", group: "decrypt", clause: secrecy, run: cutCiphertexts },
  { name: "ciphertext_with_more_bytes", group: "decrypt", clause: secrecy, run: longerCiphertexts },
  { name: "ciphertext_of_random_bytes", group: "decrypt", clause: secrecy, run: randomCiphertexts },
  { name: "key_id_of_another_key", group: "decrypt", clause: api, run: otherKeyIds },
  {
    name: "annotation_with_each_byte_changed",
    group: "decrypt",
    clause: secrecy,
    should: true,
    run: changedAnnotations,
  },
  { name: "annotation_missing", group: "decrypt", clause: secrecy, should: true, run: missingAnnotations },
  { name: "good_objects_open_after_refusals", group: "decrypt", clause: server, run: stillOpens },
];

/** Codes with which a plugin says that it could not try. */
const NOT_TRIED = ["CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "UNIMPLEMENTED"];

function isRefused(answer: Answer<unknown>): boolean {
  return answer.kind === "error" && !NOT_TRIED.includes(nameOfCode(answer.code));
}

/** Each change must be refused. */
async function refusesEach(
  plugin: Plugin,
  changes: readonly (readonly [what: string, change: Partial<Stored>])[],
): Promise<string[]> {
  const good = await plugin.good();
  return await eachOf(plugin, changes, async ([what, change]) => {
    const answer = await plugin.decrypt({ ...good, ...change });
    return isRefused(answer)
      ? undefined
      : `Decrypt with ${what} gave ${answerText(answer)}, expected a refusal`;
  });
}

/** Bit 0 in one byte, bit 1 in the next: digits and letters become others of their kind, too. */
function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8));
  return copy;
}

async function changedBytes(plugin: Plugin): Promise<Findings> {
  const { ciphertext } = await plugin.good();
  return await refusesEach(
    plugin,
    Array.from(ciphertext, (_, at) => [
      `bit ${at % 8} of byte ${at} of the ciphertext changed`,
      { ciphertext: flipped(ciphertext, at) },
    ]),
  );
}

async function cutCiphertexts(plugin: Plugin): Promise<Findings> {
  const { ciphertext } = await plugin.good();
  return await refusesEach(
    plugin,
    Array.from(ciphertext, (_, size) => [
      `${size} of the ${ciphertext.length} bytes of the ciphertext`,
      { ciphertext: ciphertext.subarray(0, size) },
    ]),
  );
}

async function longerCiphertexts(plugin: Plugin): Promise<Findings> {
  const { ciphertext } = await plugin.good();
  const extra = ["00", "0a", "20", "3d", "41", "00".repeat(16)].map((hex) => Buffer.from(hex, "hex"));
  const around = extra.flatMap((more) => [
    [`the bytes ${more.toString("hex")} after the ciphertext`, Buffer.concat([ciphertext, more])] as const,
    [`the bytes ${more.toString("hex")} before the ciphertext`, Buffer.concat([more, ciphertext])] as const,
  ]);
  const all = [...around, ["the ciphertext twice", Buffer.concat([ciphertext, ciphertext])] as const];
  return await refusesEach(
    plugin,
    all.map(([what, changed]) => [what, { ciphertext: changed }]),
  );
}

async function randomCiphertexts(plugin: Plugin): Promise<Findings> {
  const { ciphertext } = await plugin.good();
  const sizes = [16, 28, 29, 45, 61, ciphertext.length, 512, 1023];
  const changes = sizes.map(
    (size) => [`${size} random bytes as the ciphertext`, { ciphertext: randomBytes(size) }] as const,
  );
  // random ones of this size could be a valid form of nothing
  const short = ["7f", "0001"].map(
    (hex) => [`the bytes ${hex} as the ciphertext`, { ciphertext: Buffer.from(hex, "hex") }] as const,
  );
  return await refusesEach(plugin, [...short, ...changes]);
}

/** The key_id stands for the key that encrypted: an object of another one is not this key's. */
async function otherKeyIds(plugin: Plugin): Promise<Findings> {
  const { keyId } = await plugin.good();
  const last = keyId.slice(0, -1) + (keyId.endsWith("0") ? "1" : "0");
  const others: [string, string][] = [
    ["no key_id", ""],
    ["a key_id that the plugin never gave", "kleidi.example/conformance/1"],
    ["its key_id and one character more", `${keyId}0`],
    ["its key_id with another last character", last],
    ["a key_id of 1024 bytes", "k".repeat(1024)],
  ];
  return await refusesEach(
    plugin,
    others.map(([what, changed]) => [what, { keyId: changed }]),
  );
}

const NO_ANNOTATIONS = { skipped: "Encrypt returns no annotations" };

async function changedAnnotations(plugin: Plugin): Promise<Findings> {
  const { annotations } = await plugin.good();
  const entries = Object.entries(annotations);
  if (entries.length === 0) return NO_ANNOTATIONS;
  const changes = entries.flatMap(([name, value]) =>
    Array.from(
      value,
      (_, at) =>
        [
          `byte ${at} of the annotation ${name} changed`,
          { annotations: { ...annotations, [name]: flipped(value, at) } },
        ] as const,
    ),
  );
  return await refusesEach(plugin, changes);
}

async function missingAnnotations(plugin: Plugin): Promise<Findings> {
  const { annotations } = await plugin.good();
  const names = Object.keys(annotations);
  if (names.length === 0) return NO_ANNOTATIONS;
  return await refusesEach(
    plugin,
    names.map((name) => {
      const { [name]: _, ...others } = annotations;
      return [`no annotation ${name}`, { annotations: others }];
    }),
  );
}

async function stillOpens(plugin: Plugin): Promise<Findings> {
  await plugin.status();
  const sealed = [await plugin.good(), await plugin.seal()];
  return await eachOf(plugin, sealed, async (each) => {
    const fault = await plugin.openFault(each);
    return fault && `after the refusals above, ${fault}`;
  });
}
