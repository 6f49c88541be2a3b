/**
 * The provider for Google Cloud KMS: the KEK is a symmetric CryptoKey, which encrypts and decrypts each seed in one request. The host adds the
 * access token. README.md has the settings and the roles that it needs.
 */
import {
  concat,
  DecryptReply,
  DecryptRequest,
  decimal,
  EncryptReply,
  EncryptRequest,
  FailureCode,
  fail,
  failed,
  JsonObject,
  JsonValue,
  Provider,
  parseDecimal,
  refuse,
  StatusReply,
  StatusRequest,
  serve,
  utf8,
} from "../../../sdk/assemblyscript/assembly";
import { addChecked, checkedBytes, readKey, useKey } from "./ask";
import { KeyName, nameOf } from "./name";
import { Refusal } from "./refusal";
import { stateTrouble } from "./state";

export { kleidi_decrypt, kleidi_encrypt, kleidi_status } from "../../../sdk/assemblyscript/assembly";

/** Limits of the contract (docs/ABI.md, section 4). */
const MAX_PLAINTEXT = 512;
const MAX_CIPHERTEXT = 1023;
const MAX_OLDER: u32 = 256;

class Gcp extends Provider {
  status(request: StatusRequest): StatusReply {
    const name = nameOf(request.settings);
    if (name.fault.length > 0) return misnamed<StatusReply>(request.key, name);
    if (request.foreign_format.length > 0) return foreign<StatusReply>(name, request.foreign_format);
    const answer = readKey(name);
    return answer == null ? failed<StatusReply>() : statusOf(name, answer);
  }

  encrypt(request: EncryptRequest): EncryptReply {
    const name = nameOf(request.settings);
    if (name.fault.length > 0) return misnamed<EncryptReply>(request.key, name);
    const number = name.numberOf(request.version);
    if (number === 0) return failed<EncryptReply>();
    const refusal = new Refusal(name, "encrypt");
    refusal.number = number;
    const body = new JsonObject();
    addChecked(body, "plaintext", request.plaintext);
    addChecked(body, "additionalAuthenticatedData", bound(request.version, request.associated_data));
    // The version and not the key: for hours after a rotation, some servers of KMS still take the former primary version.
    const answer = useKey(name.versionName(number), "encrypt", body, refusal);
    if (answer == null) return failed<EncryptReply>();
    if (!hasVerified(answer, "Plaintext") || !hasVerified(answer, "AdditionalAuthenticatedData")) {
      refusal.changed("the request");
      return failed<EncryptReply>();
    }
    const ciphertext = checkedBytes(answer, "ciphertext", refusal);
    if (ciphertext == null) return failed<EncryptReply>();
    if (
      ciphertext.length < 1 ||
      ciphertext.length > MAX_CIPHERTEXT ||
      answer.textOf("name") !== name.versionName(number)
    ) {
      return fail<EncryptReply>(
        FailureCode.FAULT,
        `Cannot ${refusal.action}: the answer of KMS is not a ciphertext of version ${decimal(number)} with at most ${decimal(MAX_CIPHERTEXT)} bytes`,
      );
    }
    return new EncryptReply(ciphertext);
  }

  decrypt(request: DecryptRequest): DecryptReply {
    const name = nameOf(request.settings);
    if (name.fault.length > 0) return misnamed<DecryptReply>(request.key, name);
    if (request.foreign_format.length > 0) return foreign<DecryptReply>(name, request.foreign_format);
    const number = name.numberOf(request.version);
    if (number === 0) return failed<DecryptReply>();
    const refusal = new Refusal(name, "decrypt");
    refusal.number = number;
    const body = new JsonObject();
    addChecked(body, "ciphertext", request.ciphertext);
    addChecked(body, "additionalAuthenticatedData", bound(request.version, request.associated_data));
    const answer = useKey(name.text, "decrypt", body, refusal);
    if (answer == null) return failed<DecryptReply>();
    const plaintext = checkedBytes(answer, "plaintext", refusal);
    if (plaintext == null) return failed<DecryptReply>();
    if (plaintext.length < 1 || plaintext.length > MAX_PLAINTEXT) {
      return refuse(
        `its content is ${decimal(plaintext.length)} bytes, 1 to ${decimal(MAX_PLAINTEXT)} are allowed`,
      );
    }
    return new DecryptReply(plaintext);
  }
}

/** Checks the description of a key. The primary version is the one to encrypt with; each below it may have encrypted before. */
function statusOf(name: KeyName, key: JsonValue): StatusReply {
  const purpose = key.textOf("purpose");
  if (key.textOf("name") !== name.text) {
    return fail<StatusReply>(
      FailureCode.FAULT,
      `Cannot read the key ${name.toString()}: KMS described another key, "${key.textOf("name").slice(0, 64)}"`,
    );
  }
  if (purpose !== "ENCRYPT_DECRYPT") {
    return unusable(
      name,
      `its purpose is "${purpose.slice(0, 40)}"; create a symmetric key: gcloud kms keys create NAME --purpose=encryption ${name.options}`,
    );
  }
  const primary = key.get("primary");
  if (primary == null) {
    return unusable(
      name,
      `it has no primary version; set one: gcloud kms keys set-primary-version ${name.part(3)} --version=VERSION ${name.options}`,
    );
  }
  const text = primary.textOf("name");
  const prefix = name.text + "/cryptoKeyVersions/";
  const number = text.startsWith(prefix) ? parseDecimal(text.slice(prefix.length)) : 0;
  if (number === 0) {
    return fail<StatusReply>(
      FailureCode.FAULT,
      `Cannot read the key ${name.toString()}: KMS described it with a primary version of another key`,
    );
  }
  const state = primary.textOf("state");
  if (state !== "ENABLED") {
    stateTrouble(`use the key ${name.toString()}`, name, number, state);
    return failed<StatusReply>();
  }
  return versionsOf(name, number);
}

/** Versions are numbered from 1, and no number is given again. */
function versionsOf(name: KeyName, primary: u32): StatusReply {
  const version = name.versionText(primary);
  if (version.length === 0) return failed<StatusReply>();
  const reply = new StatusReply(version);
  const hash = version.slice(version.indexOf("."));
  const first = primary > MAX_OLDER ? primary - MAX_OLDER : 1;
  for (let number = primary - 1; number >= first; number--) {
    reply.older_versions.push(decimal(number) + hash);
  }
  return reply;
}

/** KMS decrypts with the version that encrypted, whichever it is: so the version is bound too. */
function bound(version: string, associatedData: Uint8Array): Uint8Array {
  return concat(utf8(version + "\0"), associatedData);
}

/** KMS confirms that it compared a checksum of the request. */
function hasVerified(answer: JsonValue, what: string): bool {
  const verified = answer.get("verified" + what + "Crc32c");
  return verified != null && verified.isTrue;
}

function unusable(name: KeyName, what: string): StatusReply {
  return fail<StatusReply>(FailureCode.KEY_UNUSABLE, `Cannot use the key ${name.toString()}: ${what}`);
}

function misnamed<T>(key: string, name: KeyName): T {
  return fail<T>(FailureCode.KEY_UNUSABLE, `Cannot find the key "${key}" in KMS: ${name.fault}`);
}

function foreign<T>(name: KeyName, format: string): T {
  return fail<T>(
    FailureCode.KEY_UNUSABLE,
    `Cannot use the key ${name.toString()}: this provider knows no formats of other plugins, and "${format.slice(0, 64)}" is one`,
  );
}

serve(new Gcp());
