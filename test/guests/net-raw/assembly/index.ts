/**
 * Sends over kleidi:net what a test says, byte for byte. Decrypt's ciphertext: the byte 1, then a NetRequest as the test made it;
 * the plaintext is the host code in one byte, then the body as far as it fits. Any other ciphertext is Encrypt's: the byte 0,
 * then the plaintext, its bits inverted.
 */
import {
  concat,
  DecryptReply,
  EncryptReply,
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
import { net_request } from "../../../../sdk/assemblyscript/assembly/imports";

const MAX_PLAINTEXT = 512;

export function kleidi_status(): i32 {
  receiveStatus();
  return sendStatus(new StatusReply("v1"));
}

export function kleidi_encrypt(): i32 {
  return sendEncrypt(new EncryptReply(concat(new Uint8Array(1), inverted(receiveEncrypt().plaintext))));
}

export function kleidi_decrypt(): i32 {
  const ciphertext = receiveDecrypt().ciphertext;
  if (ciphertext[0] === 0) return sendDecrypt(new DecryptReply(inverted(ciphertext.slice(1))));
  const request = toBlock(ciphertext.slice(1));
  const reply = finish(request, net_request(request));
  const said = concat(new Uint8Array(1).fill(reply.code as u8), reply.body);
  return sendDecrypt(new DecryptReply(said.slice(0, min(said.length, MAX_PLAINTEXT))));
}

function inverted(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => ~byte);
}
