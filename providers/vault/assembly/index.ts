/**
 * The provider for the Transit engine of HashiCorp Vault and OpenBao: the KEK is a Transit key and stays in the server, which encrypts
 * and decrypts each seed in one request. README.md has the settings and the policy that it needs.
 */
import {
  base64,
  DecryptReply,
  DecryptRequest,
  decimal,
  EncryptReply,
  EncryptRequest,
  FailureCode,
  fail,
  failed,
  JsonObject,
  Provider,
  refuse,
  StatusReply,
  StatusRequest,
  serve,
  utf8,
} from "../../../sdk/assemblyscript/assembly";
import { readKey, useKey } from "./ask";
import { versionIn } from "./ciphertext";
import { addForeignKeyIds, isKnownFormat } from "./foreign";
import { statusOf } from "./key";
import { Place, placeOf } from "./place";
import { numberOf } from "./version";

export { kleidi_decrypt, kleidi_encrypt, kleidi_status } from "../../../sdk/assemblyscript/assembly";

/** Limits of the contract (docs/ABI.md, section 4). */
const MAX_PLAINTEXT = 512;
const MAX_CIPHERTEXT = 1023;
/**
 * A type that does not exist. A server that would create a missing key on Encrypt, because the token may, refuses it; for a key that
 * exists it ignores the type.
 */
const NO_TYPE = "make-no-key";

class Vault extends Provider {
  status(request: StatusRequest): StatusReply {
    const place = placeOf(request.key, request.settings);
    if (place.fault.length > 0) return misplaced<StatusReply>(request.key, place);
    const format = request.foreign_format;
    if (format.length > 0 && !isKnownFormat(format)) return unknownFormat<StatusReply>(format, place);
    const data = readKey(place);
    if (data == null) return failed<StatusReply>();
    const reply = statusOf(data, place);
    if (format.length > 0 && reply.failure === null) addForeignKeyIds(reply, format);
    return reply;
  }

  encrypt(request: EncryptRequest): EncryptReply {
    const place = placeOf(request.key, request.settings);
    if (place.fault.length > 0) return misplaced<EncryptReply>(request.key, place);
    const number = numberOf(request.version, place);
    if (number === 0) return failed<EncryptReply>();
    const plaintext = base64.encode(request.plaintext);
    const body = new JsonObject()
      .text("plaintext", plaintext)
      .text("associated_data", base64.encode(request.associated_data))
      .integer("key_version", number)
      .text("type", NO_TYPE);
    const data = useKey(place, "encrypt", number, body, plaintext);
    if (data == null) return failed<EncryptReply>();
    const ciphertext = data.textOf("ciphertext");
    if (ciphertext.length > MAX_CIPHERTEXT || versionIn(ciphertext) !== number) {
      const message = `Cannot encrypt with the key ${place.toString()}: the server's answer is not a ciphertext of version ${decimal(number)} with at most ${decimal(MAX_CIPHERTEXT)} characters`;
      return fail<EncryptReply>(FailureCode.FAULT, message);
    }
    return new EncryptReply(utf8(ciphertext));
  }

  decrypt(request: DecryptRequest): DecryptReply {
    const place = placeOf(request.key, request.settings);
    if (place.fault.length > 0) return misplaced<DecryptReply>(request.key, place);
    const format = request.foreign_format;
    if (format.length > 0 && !isKnownFormat(format)) return unknownFormat<DecryptReply>(format, place);
    const bytes = request.ciphertext;
    const ciphertext = String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length);
    const found = versionIn(ciphertext);
    if (found === 0) return refuse("it is not a ciphertext of Transit");
    const number = numberOf(request.version, place);
    if (number === 0) return failed<DecryptReply>();
    // Another plugin reads the key id after it has encrypted, so that the ciphertext can be of an older version.
    if (found !== number && format.length === 0) {
      return refuse(`it was made with version ${decimal(found)} of the key, not with ${decimal(number)}`);
    }
    const body = new JsonObject().text("ciphertext", ciphertext);
    if (format.length === 0) body.text("associated_data", base64.encode(request.associated_data));
    const data = useKey(place, "decrypt", found, body, ciphertext);
    if (data == null) return failed<DecryptReply>();
    const plaintext = base64.decode(data.textOf("plaintext"));
    if (plaintext == null) {
      const message = `Cannot decrypt with the key ${place.toString()}: the server's plaintext is not valid base64`;
      return fail<DecryptReply>(FailureCode.FAULT, message);
    }
    if (plaintext.length < 1 || plaintext.length > MAX_PLAINTEXT) {
      return refuse(
        `its content is ${decimal(plaintext.length)} bytes, 1 to ${decimal(MAX_PLAINTEXT)} are allowed`,
      );
    }
    return new DecryptReply(plaintext);
  }
}

function misplaced<T>(key: string, place: Place): T {
  return fail<T>(FailureCode.KEY_UNUSABLE, `Cannot find the key "${key}" in the server: ${place.fault}`);
}

function unknownFormat<T>(format: string, place: Place): T {
  const message = `Cannot use the key ${place.toString()}: the format "${format.slice(0, 64)}" is not one of this provider, which has vault-kubernetes-kms and kleidi-go-vault`;
  return fail<T>(FailureCode.KEY_UNUSABLE, message);
}

serve(new Vault());
