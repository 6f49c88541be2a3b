/**
 * Hands any operation of `kleidi:crypto` through to a test. Encrypt's plaintext: one byte, the operation's index below,
 * then the operation's request message. Its ciphertext: one byte, the host code, then the body. Decrypt gives back the
 * ciphertext.
 */
import {
  concat,
  DecryptReply,
  EncryptReply,
  HostReply,
  receiveDecrypt,
  receiveEncrypt,
  receiveStatus,
  StatusReply,
  sendDecrypt,
  sendEncrypt,
  sendStatus,
} from "../../../../sdk/assemblyscript/assembly";
import { toBlock } from "../../../../sdk/assemblyscript/assembly/extism";
import { finish } from "../../../../sdk/assemblyscript/assembly/host";
import * as env from "../../../../sdk/assemblyscript/assembly/imports";

export function kleidi_status(): i32 {
  receiveStatus();
  return sendStatus(new StatusReply("v1"));
}

export function kleidi_encrypt(): i32 {
  const plaintext = receiveEncrypt().plaintext;
  const reply = call(plaintext[0], toBlock(plaintext.slice(1)));
  const code = new Uint8Array(1).fill(reply.code as u8);
  return sendEncrypt(new EncryptReply(concat(code, reply.body)));
}

export function kleidi_decrypt(): i32 {
  return sendDecrypt(new DecryptReply(receiveDecrypt().ciphertext));
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
