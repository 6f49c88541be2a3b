/**
 * A complete provider, to learn from. DO NOT ENCRYPT ANYTHING WITH IT: its key is derived from the key's name, which is not a
 * secret. A real provider calls a KMS, or `kleidi:keystore`, instead of `teachingKey`.
 *
 * Ciphertext: 12 bytes of nonce, as many as the plaintext, 16 of tag.
 */
import {
  concat,
  crypto,
  DecryptReply,
  DecryptRequest,
  decimal,
  EncryptReply,
  EncryptRequest,
  FailureCode,
  fail,
  failFrom,
  HostReply,
  Provider,
  refuse,
  StatusReply,
  StatusRequest,
  serve,
  utf8,
} from "../../../sdk/assemblyscript/assembly";

export { kleidi_decrypt, kleidi_encrypt, kleidi_status } from "../../../sdk/assemblyscript/assembly";

const VERSION = "1";
const NONCE = 12;
/** Nonce, one byte of plaintext, tag. */
const MIN_CIPHERTEXT = NONCE + 1 + 16;

class FirstProvider extends Provider {
  /** Names the version to encrypt with. Here it never changes. */
  status(_request: StatusRequest): StatusReply {
    return new StatusReply(VERSION);
  }

  encrypt(request: EncryptRequest): EncryptReply {
    if (request.version !== VERSION) {
      return fail<EncryptReply>(
        FailureCode.KEY_UNUSABLE,
        `Cannot encrypt: there is no version ${request.version}`,
      );
    }
    const key = teachingKey(request.key);
    if (!key.ok) return failFrom<EncryptReply>(key, "derive the key");
    const nonce = crypto.random(NONCE);
    if (!nonce.ok) return failFrom<EncryptReply>(nonce, "make a nonce");
    const sealed = crypto.aeadSeal(key.body, nonce.body, request.plaintext, request.associated_data);
    if (!sealed.ok) return failFrom<EncryptReply>(sealed, "seal the plaintext");
    return new EncryptReply(concat(nonce.body, sealed.body));
  }

  decrypt(request: DecryptRequest): DecryptReply {
    if (request.version !== VERSION) {
      return fail<DecryptReply>(
        FailureCode.KEY_UNUSABLE,
        `Cannot decrypt: there is no version ${request.version}`,
      );
    }
    const size = request.ciphertext.length;
    if (size < MIN_CIPHERTEXT) {
      return refuse(`it is ${decimal(size)} bytes, at least ${decimal(MIN_CIPHERTEXT)} are needed`);
    }
    const key = teachingKey(request.key);
    if (!key.ok) return failFrom<DecryptReply>(key, "derive the key");
    const nonce = request.ciphertext.slice(0, NONCE);
    const sealed = request.ciphertext.slice(NONCE);
    const opened = crypto.aeadOpen(key.body, nonce, sealed, request.associated_data);
    if (!opened.ok) return failFrom<DecryptReply>(opened, "open the ciphertext");
    return new DecryptReply(opened.body);
  }
}

/** Anyone who knows the key's name can compute it. */
function teachingKey(name: string): HostReply {
  return crypto.hkdf("sha256", utf8(name), utf8("kleidi first-provider"), utf8("for teaching only"), 32);
}

serve(new FirstProvider());
