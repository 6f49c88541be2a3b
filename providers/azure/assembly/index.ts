/**
 * The provider for Azure Key Vault and Managed HSM: the KEK is a key of a vault, which wraps and unwraps a key of each seed in one request. The
 * host adds the access token. README.md has the settings and the role that it needs.
 */
import {
  DecryptReply,
  DecryptRequest,
  decimal,
  EncryptReply,
  EncryptRequest,
  FailureCode,
  fail,
  failed,
  Provider,
  StatusReply,
  StatusRequest,
  serve,
} from "../../../sdk/assemblyscript/assembly";
import { read, useKey } from "./ask";
import { envelope, open, partsOf, seal } from "./envelope";
import { statusOf } from "./key";
import { KeyName, nameOf, versionOf } from "./name";

export { kleidi_decrypt, kleidi_encrypt, kleidi_status } from "../../../sdk/assemblyscript/assembly";

/** Limits of the contract (docs/ABI.md, section 4). */
const MAX_CIPHERTEXT = 1023;
const KEY_BYTES = 32;

class Azure extends Provider {
  status(request: StatusRequest): StatusReply {
    const name = nameOf(request.key, request.settings);
    if (name.fault.length > 0) return misnamed<StatusReply>(request.key, name);
    if (request.foreign_format.length > 0) return foreign<StatusReply>(name, request.foreign_format);
    const document = read(name, name.path(""));
    return document == null ? failed<StatusReply>() : statusOf(name, document);
  }

  encrypt(request: EncryptRequest): EncryptReply {
    const name = nameOf(request.key, request.settings);
    if (name.fault.length > 0) return misnamed<EncryptReply>(request.key, name);
    const version = versionOf(request.version, name);
    if (version == null) return failed<EncryptReply>();
    const sealed = seal(request.plaintext, request.version, request.associated_data);
    if (sealed == null) return failed<EncryptReply>();
    const wrapped = useKey(name, version, "wrapkey", sealed.key);
    if (wrapped == null) return failed<EncryptReply>();
    const ciphertext = envelope(wrapped, sealed.rest);
    if (ciphertext.length <= MAX_CIPHERTEXT) return new EncryptReply(ciphertext);
    return fail<EncryptReply>(
      FailureCode.FAULT,
      `Cannot encrypt with the key ${name.toString()}: the ciphertext is ${decimal(ciphertext.length)} bytes, at most ${decimal(MAX_CIPHERTEXT)} are allowed; use a key of 3072 bits or less for seeds of this size`,
    );
  }

  decrypt(request: DecryptRequest): DecryptReply {
    const name = nameOf(request.key, request.settings);
    if (name.fault.length > 0) return misnamed<DecryptReply>(request.key, name);
    if (request.foreign_format.length > 0) return foreign<DecryptReply>(name, request.foreign_format);
    const version = versionOf(request.version, name);
    if (version == null) return failed<DecryptReply>();
    const parts = partsOf(request.ciphertext);
    if (parts == null) return failed<DecryptReply>();
    const key = useKey(name, version, "unwrapkey", parts.wrapped);
    if (key == null) return failed<DecryptReply>();
    if (key.length !== KEY_BYTES) {
      return fail<DecryptReply>(
        FailureCode.NOT_OURS,
        `Cannot decrypt the ciphertext: its wrapped key is ${decimal(key.length)} bytes, and not ${decimal(KEY_BYTES)}`,
      );
    }
    const plaintext = open(key, parts.rest, request.version, request.associated_data);
    return plaintext == null ? failed<DecryptReply>() : new DecryptReply(plaintext);
  }
}

function misnamed<T>(key: string, name: KeyName): T {
  return fail<T>(FailureCode.KEY_UNUSABLE, `Cannot find the key "${key}" in the vault: ${name.fault}`);
}

function foreign<T>(name: KeyName, format: string): T {
  return fail<T>(
    FailureCode.KEY_UNUSABLE,
    `Cannot use the key ${name.toString()}: this provider knows no formats of other plugins, and "${format.slice(0, 64)}" is one`,
  );
}

serve(new Azure());
