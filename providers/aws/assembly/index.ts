/**
 * The provider for AWS KMS: the KEK is a symmetric KMS key, which encrypts and decrypts each seed in one request. The host signs the requests.
 * README.md has the settings and the policy that it needs.
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
  JsonValue,
  Provider,
  refuse,
  StatusReply,
  StatusRequest,
  serve,
} from "../../../sdk/assemblyscript/assembly";
import { ask, contextOf } from "./ask";
import { isKnownFormat, unwrapped } from "./foreign";
import { KeyName, nameOf, versionOf } from "./name";
import { isUsable, stateTrouble } from "./state";

export { kleidi_decrypt, kleidi_encrypt, kleidi_status } from "../../../sdk/assemblyscript/assembly";

/** Limits of the contract (docs/ABI.md, section 4). */
const MAX_PLAINTEXT = 512;
const MAX_CIPHERTEXT = 1023;

class Aws extends Provider {
  status(request: StatusRequest): StatusReply {
    const format = request.foreign_format;
    const name = nameOf(request.key, request.settings, format.length > 0);
    if (name.fault.length > 0) return misnamed<StatusReply>(request.key, name);
    if (format.length > 0 && !isKnownFormat(format)) return unknownFormat<StatusReply>(format, name);
    const answer = ask(name, "DescribeKey", new JsonObject().text("KeyId", name.text));
    if (answer == null) return failed<StatusReply>();
    const metadata = answer.get("KeyMetadata");
    const version = metadata == null ? "" : versionOf(metadata.textOf("Arn"));
    if (metadata == null || version.length === 0 || !name.fits(version)) {
      return fail<StatusReply>(
        FailureCode.FAULT,
        `Cannot read the key ${name.toString()}: KMS described another key, or one without an ARN`,
      );
    }
    const reply = statusOf(name, metadata, version);
    if (format.length > 0 && reply.failure === null) reply.foreign_key_ids.push(name.text);
    return reply;
  }

  encrypt(request: EncryptRequest): EncryptReply {
    const name = nameOf(request.key, request.settings);
    if (name.fault.length > 0) return misnamed<EncryptReply>(request.key, name);
    if (!name.fits(request.version)) return elsewhere<EncryptReply>(name, request.version);
    const body = new JsonObject()
      .text("KeyId", name.keyIdFor(request.version))
      .text("Plaintext", base64.encode(request.plaintext))
      .raw("EncryptionContext", contextOf(request.associated_data));
    const answer = ask(name, "Encrypt", body);
    if (answer == null) return failed<EncryptReply>();
    const ciphertext = base64.decode(answer.textOf("CiphertextBlob"));
    if (
      ciphertext == null ||
      ciphertext.length < 1 ||
      ciphertext.length > MAX_CIPHERTEXT ||
      versionOf(answer.textOf("KeyId")) !== request.version
    ) {
      return fail<EncryptReply>(
        FailureCode.FAULT,
        `Cannot encrypt with the key ${name.toString()}: the answer of KMS is not a ciphertext of ${request.version} with at most ${decimal(MAX_CIPHERTEXT)} bytes`,
      );
    }
    return new EncryptReply(ciphertext);
  }

  decrypt(request: DecryptRequest): DecryptReply {
    const format = request.foreign_format;
    const name = nameOf(request.key, request.settings, format.length > 0);
    if (name.fault.length > 0) return misnamed<DecryptReply>(request.key, name);
    if (format.length > 0 && !isKnownFormat(format)) return unknownFormat<DecryptReply>(format, name);
    const ciphertext = format.length > 0 ? unwrapped(request.ciphertext) : request.ciphertext;
    if (ciphertext == null) return refuse(`it does not begin like one of ${format}`);
    if (!name.fits(request.version)) return elsewhere<DecryptReply>(name, request.version);
    const body = new JsonObject()
      .text("KeyId", name.keyIdFor(request.version))
      .text("CiphertextBlob", base64.encode(ciphertext))
      .raw("EncryptionContext", format.length > 0 ? name.context : contextOf(request.associated_data));
    const answer = ask(name, "Decrypt", body);
    if (answer == null) return failed<DecryptReply>();
    const plaintext = base64.decode(answer.textOf("Plaintext"));
    if (plaintext == null || versionOf(answer.textOf("KeyId")) !== request.version) {
      return fail<DecryptReply>(
        FailureCode.FAULT,
        `Cannot decrypt with the key ${name.toString()}: the answer of KMS is not a plaintext of ${request.version}`,
      );
    }
    if (plaintext.length < 1 || plaintext.length > MAX_PLAINTEXT) {
      return refuse(
        `its content is ${decimal(plaintext.length)} bytes, 1 to ${decimal(MAX_PLAINTEXT)} are allowed`,
      );
    }
    return new DecryptReply(plaintext);
  }
}

function statusOf(name: KeyName, metadata: JsonValue, version: string): StatusReply {
  const state = metadata.textOf("KeyState");
  if (!isUsable(state)) {
    stateTrouble(`use the key ${name.toString()}`, name.text, state);
    return failed<StatusReply>();
  }
  const usage = metadata.textOf("KeyUsage");
  const spec = metadata.textOf("KeySpec");
  if (usage !== "ENCRYPT_DECRYPT" || spec !== "SYMMETRIC_DEFAULT") {
    return fail<StatusReply>(
      FailureCode.KEY_UNUSABLE,
      `Cannot use the key ${name.toString()}: it is ${spec.slice(0, 32)} for ${usage.slice(0, 32)}, which binds no associated data; create a symmetric key for encryption (aws kms create-key)`,
    );
  }
  return new StatusReply(version);
}

function misnamed<T>(key: string, name: KeyName): T {
  return fail<T>(FailureCode.KEY_UNUSABLE, `Cannot find the key "${key}" in KMS: ${name.fault}`);
}

function unknownFormat<T>(format: string, name: KeyName): T {
  return fail<T>(
    FailureCode.KEY_UNUSABLE,
    `Cannot use the key ${name.toString()}: the format "${format.slice(0, 64)}" is not one of this provider, which has aws-encryption-provider`,
  );
}

function elsewhere<T>(name: KeyName, version: string): T {
  return fail<T>(
    FailureCode.KEY_UNUSABLE,
    `Cannot use the key ${name.toString()}: the version ${version} is of another key; undo the change of the setting "key", or add another key for the other one to the configuration`,
  );
}

serve(new Aws());
