/** The mutants of the toy provider: each has one fault. One module holds all of them; a byte of its data selects one. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildProvider } from "../../sdk/assemblyscript/build.ts";
import { isFresh } from "../../sdk/assemblyscript/fresh.ts";

const TOY = join(import.meta.dirname, "toy");
const OUT = join(import.meta.dirname, "../../.tmp/guests/toy.wasm");
export const TOY_FIXTURE = join(TOY, "kms.fixture.json");
/** In the module's data, before the number of the mutant, which is 255 in the good one: the compiler omits a zero at the end. */
const SWITCH = Buffer.from("kleidi mutant #");

/** The fault of each mutant, by the number in assembly/index.ts. */
export const MUTANTS: Readonly<Record<number, string>> = {
  1: "XOR in place of the KMS, which is never asked",
  2: "XOR in place of the KMS, whose refusals are passed on",
  3: "associated data not bound",
  4: "only 16 bytes of the associated data bound",
  5: "Encrypt ignores the number of the version",
  6: "the version of another key is accepted",
  7: "a version of no known form is taken for the current one",
  8: "Decrypt ignores the number of the version",
  9: "a missing annotation is the provider's own fault",
  10: "retried after a denial",
  11: "Decrypt returns what Encrypt remembered in a global",
  12: "the plaintext in an annotation",
  13: "the plaintext in an annotation, in base64",
  14: "the plaintext in an annotation, each byte XORed with 5a",
  15: "Encrypt accepts a request that is cut",
  16: "Decrypt accepts a request that is cut",
  17: "unknown settings are ignored",
  18: "AES-GCM under a key in the module with a constant nonce; refusals of the KMS are passed on",
  19: "AES-GCM under a key in the module; refusals of the KMS are passed on",
  20: "an answer that is not JSON is an empty object",
  21: "an answer without a plaintext is 32 zero bytes",
  22: "all settings are ignored",
  23: "the annotation is not bound and may be missing",
  24: "the plaintext in a log line",
  25: "annotations of somebody else are accepted",
  26: "the plaintext in a header of a request",
  27: "a new version at each Status",
  28: "a version with a space",
  29: "an annotation whose name is no domain name",
  30: "unknown fields are refused",
  31: "a version listed twice",
  32: "plaintexts are cut at 256 bytes",
  33: "plaintexts are taken for text",
  34: "a trap with a plaintext of 33 bytes",
  35: "the first byte of the ciphertext is not checked",
  36: "bytes after the ciphertext are ignored",
  37: "ciphertexts of any size",
  38: "the status of a response is ignored",
  39: "failed requests are repeated without an end",
  40: "the plaintext in the message of a failure",
  41: "code 1 for a KMS that cannot be reached",
  42: "code 5 for a KMS that cannot be reached",
  43: "code 1 for a refused login",
  44: "a trap for each failed host call",
  45: "code 1 for the status 503",
  46: "code 2 for the status 401",
  47: "code 3 for the status 404",
  48: "an unknown field after the reply",
  49: "a failure code that is not defined",
  50: "code 5 for the status 429",
  51: "a zero byte after the plaintext",
  52: "the same version for all keys",
  53: "an annotation under the host's own domain",
  54: "code 1 for a used-up budget",
  55: "code 1 for an unknown host code",
  56: "code 2 for a ciphertext that was changed",
  57: "code 5 for a version that does not exist",
  58: "Encrypt does not end",
  59: "Status accepts a malformed request",
  60: "fields in another order are refused",
  61: "a field that is there twice is refused",
  62: "long lengths are refused",
  63: "large field numbers are refused",
  64: "a trap with a name that is not ASCII",
  65: "a trap with 400 bytes of associated data",
  66: "XOR with a constant, so that equal plaintexts are equal",
  67: "a plaintext of zero bytes is refused",
  68: "code 1 for every status that is no success",
  69: "an answer with unknown members is refused",
  70: "a response with unknown fields is refused",
  71: "plaintexts of 512 bytes are refused",
  72: "a version with another spelling now and then",
};

/** Builds the toy provider if it is older than its sources. @returns the good module */
export async function toyModule(): Promise<Buffer> {
  const manifest = join(TOY, "provider.json");
  if (!(await isFresh(OUT, [TOY])))
    await buildProvider({ entry: join(TOY, "assembly/index.ts"), manifest, out: OUT });
  return readFileSync(OUT);
}

/** @returns the module with one fault */
export function mutantOf(good: Buffer, number: number): Buffer {
  const at = good.indexOf(SWITCH);
  if (at < 0 || good.indexOf(SWITCH, at + 1) >= 0) throw new Error("the module has not exactly one switch");
  const mutant = Buffer.from(good);
  mutant[at + SWITCH.length] = number;
  return mutant;
}
