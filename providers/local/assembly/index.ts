/**
 * The default provider: AES-256-GCM under a key file of the host, through `kleidi:keystore`. No key byte enters it.
 *
 * Ciphertext: 01, then what the keystore sealed (12 bytes of nonce, as many as the plaintext, 16 of tag).
 */
import {
  DecryptReply,
  DecryptRequest,
  decimal,
  EncryptReply,
  EncryptRequest,
  failFrom,
  failSettings,
  keystore,
  Provider,
  refuse,
  StatusReply,
  StatusRequest,
  serve,
} from "../../../sdk/assemblyscript/assembly";

export { kleidi_decrypt, kleidi_encrypt, kleidi_status } from "../../../sdk/assemblyscript/assembly";

const FORMAT: u8 = 1;
/** Format, nonce, one byte of plaintext, tag. */
const MIN_CIPHERTEXT = 1 + 12 + 1 + 16;

class Local extends Provider {
  status(request: StatusRequest): StatusReply {
    if (request.settings.length > 0) return failSettings<StatusReply>(request.key, request.settings);
    const found = keystore.info(request.key);
    if (!found.ok) return failFrom<StatusReply>(found, "read the key's version");
    return new StatusReply(keystore.versionOf(found));
  }

  encrypt(request: EncryptRequest): EncryptReply {
    const sealed = keystore.seal(request.key, request.version, request.plaintext, request.associated_data);
    if (!sealed.ok) return failFrom<EncryptReply>(sealed, "seal with the key");
    const ciphertext = new Uint8Array(1 + sealed.body.length);
    ciphertext[0] = FORMAT;
    ciphertext.set(sealed.body, 1);
    return new EncryptReply(ciphertext);
  }

  decrypt(request: DecryptRequest): DecryptReply {
    const ciphertext = request.ciphertext;
    if (ciphertext.length < MIN_CIPHERTEXT) {
      return refuse(
        `it is ${decimal(ciphertext.length)} bytes, at least ${decimal(MIN_CIPHERTEXT)} are needed`,
      );
    }
    if (ciphertext[0] !== FORMAT) {
      return refuse(`its format is ${decimal(ciphertext[0])}, only ${decimal(FORMAT)} is known`);
    }
    const opened = keystore.open(request.key, request.version, ciphertext.slice(1), request.associated_data);
    if (!opened.ok) return failFrom<DecryptReply>(opened, "open with the key");
    return new DecryptReply(opened.body);
  }
}

serve(new Local());
