/** Checks of the three RPCs: what Status says, and what Encrypt and Decrypt do with good requests. */
import { randomBytes } from "node:crypto";
import { formIn } from "../leak.ts";
import { eachOf, type Findings } from "../verdict.ts";
import { CLAUSES, type PluginCheck } from "./check.ts";
import { type Plugin, SEED } from "./plugin.ts";

/** Of Status. */
const REPEATS = 20;
const EQUALS = 16;
/** Bytes in which ciphertexts of one plaintext must differ: a nonce is longer. */
const MIN_DIFFERENT = 8;
/** Other than a seed's; the last one with its cipher's overhead is below 1 kB. */
const SIZES = [1, 16, 24, 33, 48, 64, 128, 256, 512];
/** No plugin can encrypt these within 1 kB. */
const TOO_LARGE = [1024, 4096, 65_536];

/** The first check: without it the others say nothing. */
export const GOOD_CALLS: PluginCheck = {
  name: "status_encrypt_and_decrypt_succeed",
  group: "status",
  clause: CLAUSES.server,
  async run(plugin) {
    await plugin.status();
    const fault = await plugin.openFault(await plugin.good());
    return fault === undefined ? [] : [`Encrypt of a seed: ${fault}`];
  },
};

export const CONTRACT_CHECKS: readonly PluginCheck[] = [
  { name: "status_is_stable", group: "status", clause: CLAUSES.server, run: statusIsStable },
  {
    name: "version_is_v2",
    group: "status",
    clause: CLAUSES.api,
    should: true,
    async run(plugin) {
      const { version } = await plugin.status();
      return version === "v2" ? [] : [`Status gave the version "${version}"; "v2" is recommended`];
    },
  },
  { name: "key_id_of_encrypt_is_that_of_status", group: "encrypt", clause: CLAUSES.server, run: sameKeyId },
  { name: "seeds_of_any_content", group: "encrypt", clause: CLAUSES.server, run: eachContent },
  { name: "plaintexts_of_other_sizes", group: "encrypt", clause: CLAUSES.api, should: true, run: eachSize },
  { name: "equal_plaintexts_differ", group: "encrypt", clause: CLAUSES.secrecy, run: equalPlaintexts },
  { name: "nothing_of_the_plaintext_is_stored", group: "encrypt", clause: CLAUSES.secrecy, run: noneStored },
  { name: "nothing_of_the_plaintext_is_in_errors", group: "encrypt", clause: CLAUSES.secrecy, run: noneSaid },
];

async function statusIsStable(plugin: Plugin): Promise<Findings> {
  const replies = await Promise.all(Array.from({ length: REPEATS }, () => plugin.status()));
  const different = new Set(replies.map(({ version, keyId }) => JSON.stringify([version, keyId])));
  return different.size === 1 ? [] : [`${REPEATS} calls of Status gave ${different.size} different replies`];
}

async function sameKeyId(plugin: Plugin): Promise<Findings> {
  const { keyId } = await plugin.status();
  const sealed = await Promise.all(Array.from({ length: REPEATS }, () => plugin.seal()));
  const others = sealed.filter((each) => each.keyId !== keyId);
  return others.length === 0
    ? []
    : [`${others.length} of ${REPEATS} calls of Encrypt gave another key_id than Status`];
}

async function opens(plugin: Plugin, plaintext: Uint8Array, what: string): Promise<string | undefined> {
  const fault = await plugin.openFault(await plugin.seal(plaintext));
  return fault && `Encrypt of ${what}: ${fault}`;
}

async function eachContent(plugin: Plugin): Promise<Findings> {
  const contents: [string, Uint8Array][] = [
    ["32 bytes 00", Buffer.alloc(SEED)],
    ["32 bytes ff", Buffer.alloc(SEED, 255)],
    ["bytes that are not UTF-8", Buffer.concat([Buffer.from("c0af80fffe00eda080", "hex"), randomBytes(23)])],
    ["a seed that ends with white space", Buffer.from("0123456789012345678901234567\r\n\t ")],
    ["a seed that ends with zeros", Buffer.concat([randomBytes(28), Buffer.alloc(4)])],
  ];
  return await eachOf(plugin, contents, ([what, plaintext]) => opens(plugin, plaintext, what));
}

async function eachSize(plugin: Plugin): Promise<Findings> {
  return await eachOf(plugin, SIZES, (size) => opens(plugin, randomBytes(size), `${size} bytes`));
}

async function equalPlaintexts(plugin: Plugin): Promise<Findings> {
  const { plaintext } = await plugin.good();
  const sealed = await Promise.all(Array.from({ length: EQUALS }, () => plugin.seal(plaintext)));
  const texts = sealed.map(({ ciphertext }) => Buffer.from(ciphertext));
  const distinct = new Set(texts.map((each) => each.toString("hex"))).size;
  if (distinct < EQUALS)
    return [
      `${EQUALS} Encrypts of one plaintext gave ${distinct} different ciphertext${distinct === 1 ? "" : "s"}`,
    ];
  const size = Math.min(...texts.map(({ length }) => length));
  const different = Array.from({ length: size }).filter(
    (_, at) => new Set(texts.map((each) => each[at])).size > 1,
  ).length;
  return different >= MIN_DIFFERENT
    ? []
    : [
        `${EQUALS} ciphertexts of one plaintext differ in ${different} bytes, at least ${MIN_DIFFERENT} are expected`,
      ];
}

async function noneStored(plugin: Plugin): Promise<Findings> {
  const { plaintext, ciphertext, annotations, keyId } = await plugin.seal();
  const stored: [string, Uint8Array][] = [
    ["the ciphertext", ciphertext],
    ["the key_id", Buffer.from(keyId)],
    ...Object.entries(annotations).flatMap(([name, value]): [string, Uint8Array][] => [
      ["the name of an annotation", Buffer.from(name)],
      [`the annotation ${name}`, value],
    ]),
  ];
  return stored.flatMap(([what, bytes]) => {
    const form = formIn(bytes, plaintext);
    return form === undefined ? [] : [`${what} has the plaintext ${form}`];
  });
}

/** Also of requests that no plugin can serve, whose refusal may quote them. */
async function noneSaid(plugin: Plugin): Promise<Findings> {
  for (const size of TOO_LARGE) await plugin.encrypt(randomBytes(size));
  const found = plugin.messages.flatMap(({ details, plaintext }) => {
    const form = formIn(Buffer.from(details), plaintext);
    return form === undefined ? [] : [`the error of an Encrypt has the plaintext ${form}`];
  });
  return [...new Set(found)];
}
