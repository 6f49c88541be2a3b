/**
 * Passes any operation of `kleidi:crypto` on to a test. Encrypt's plaintext: one byte, the operation's index below, then the
 * operation's request message. Its ciphertext: one byte, the host code, then the body. Decrypt returns the ciphertext.
 */
import {
  concat,
  DecryptReply,
  DecryptRequest,
  EncryptReply,
  EncryptRequest,
  HostReply,
  Provider,
  StatusReply,
  StatusRequest,
  serve,
} from "../../../../sdk/assemblyscript/assembly";
import { toBlock } from "../../../../sdk/assemblyscript/assembly/extism";
import { finish } from "../../../../sdk/assemblyscript/assembly/host";
import * as env from "../../../../sdk/assemblyscript/assembly/imports";

export { kleidi_decrypt, kleidi_encrypt, kleidi_status } from "../../../../sdk/assemblyscript/assembly";

class Crypto extends Provider {
  status(_request: StatusRequest): StatusReply {
    return new StatusReply("v1");
  }

  encrypt(request: EncryptRequest): EncryptReply {
    const plaintext = request.plaintext;
    const reply = call(plaintext[0], toBlock(plaintext.slice(1)));
    const code = new Uint8Array(1).fill(reply.code as u8);
    return new EncryptReply(concat(code, reply.body));
  }

  decrypt(request: DecryptRequest): DecryptReply {
    return new DecryptReply(request.ciphertext);
  }
}

function call(operation: u8, request: u64): HostReply {
  switch (operation) {
    case 0:
      return finish(request, env.crypto_random(request));
    case 1:
      return finish(request, env.crypto_digest(request));
    case 2:
      return finish(request, env.crypto_hmac(request));
    case 3:
      return finish(request, env.crypto_hkdf(request));
    case 4:
      return finish(request, env.crypto_aead_seal(request));
    case 5:
      return finish(request, env.crypto_aead_open(request));
    case 6:
      return finish(request, env.crypto_aes_cfb_encrypt(request));
    case 7:
      return finish(request, env.crypto_aes_cfb_decrypt(request));
    case 8:
      return finish(request, env.crypto_ecdh(request));
    default:
      throw new Error("no such operation");
  }
}

serve(new Crypto());
