/**
 * Sends a test's command to the TPM, byte for byte. Encrypt's plaintext: "RAW!", one byte of flags, u16 number of repetitions, then the
 * command; any other plaintext is not sent. The ciphertext is the plaintext, its bits inverted, after its length as u16; then the host code
 * of the last transmit in one byte, and as much of the response as fits. Decrypt returns the plaintext.
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
  tpm,
} from "../../../../sdk/assemblyscript/assembly";

export { kleidi_decrypt, kleidi_encrypt, kleidi_status } from "../../../../sdk/assemblyscript/assembly";

/** Ends its turn normally, but leaves its objects in the TPM for the next one. */
const LEAVE = 1;
/** Never ends, so that the host has to end it. */
const STAY = 2;
const HEAD = 7;
const MAX_CIPHERTEXT = 1023;

class TpmRaw extends Provider {
  status(_request: StatusRequest): StatusReply {
    return new StatusReply("v1");
  }

  encrypt(request: EncryptRequest): EncryptReply {
    const plaintext = request.plaintext;
    const length = new Uint8Array(2);
    length[0] = (plaintext.length >> 8) as u8;
    length[1] = plaintext.length as u8;
    const stored = concat(length, inverted(plaintext));
    if (!isOrder(plaintext)) return new EncryptReply(stored);
    const answered = concat(stored, obey(plaintext));
    return new EncryptReply(answered.slice(0, min(answered.length, MAX_CIPHERTEXT)));
  }

  decrypt(request: DecryptRequest): DecryptReply {
    const ciphertext = request.ciphertext;
    const length = ((ciphertext[0] as i32) << 8) | (ciphertext[1] as i32);
    return new DecryptReply(inverted(ciphertext.slice(2, 2 + length)));
  }
}

/** R, A, W, ! */
function isOrder(plaintext: Uint8Array): bool {
  if (plaintext.length < HEAD) return false;
  return plaintext[0] === 0x52 && plaintext[1] === 0x41 && plaintext[2] === 0x57 && plaintext[3] === 0x21;
}

function obey(order: Uint8Array): Uint8Array {
  const flags = order[4];
  const times = ((order[5] as i32) << 8) | (order[6] as i32);
  const command = order.slice(HEAD);
  let reply: HostReply = tpm.enter();
  for (let i = 0; i < times; i++) reply = tpm.transmit(command);
  while ((flags & STAY) !== 0) {}
  if ((flags & LEAVE) !== 0) tpm.leave(new Uint8Array(0));
  return concat(new Uint8Array(1).fill(reply.code as u8), reply.body);
}

function inverted(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => ~byte);
}

serve(new TpmRaw());
