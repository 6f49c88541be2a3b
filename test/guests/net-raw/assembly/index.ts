/**
 * Sends a test's request over kleidi:net, byte for byte. Decrypt's ciphertext: the byte 1, then a NetRequest from the test; the plaintext
 * is the host code in one byte, then as much of the body as fits. Any other ciphertext is Encrypt's: the byte 0, then the plaintext, its
 * bits inverted.
 */
import {
  concat,
  DecryptReply,
  DecryptRequest,
  EncryptReply,
  EncryptRequest,
  Provider,
  StatusReply,
  StatusRequest,
  serve,
} from "../../../../sdk/assemblyscript/assembly";
import { toBlock } from "../../../../sdk/assemblyscript/assembly/extism";
import { finish } from "../../../../sdk/assemblyscript/assembly/host";
import { net_request } from "../../../../sdk/assemblyscript/assembly/imports";

export { kleidi_decrypt, kleidi_encrypt, kleidi_status } from "../../../../sdk/assemblyscript/assembly";

const MAX_PLAINTEXT = 512;

class NetRaw extends Provider {
  status(_request: StatusRequest): StatusReply {
    return new StatusReply("v1");
  }

  encrypt(request: EncryptRequest): EncryptReply {
    return new EncryptReply(concat(new Uint8Array(1), inverted(request.plaintext)));
  }

  decrypt(request: DecryptRequest): DecryptReply {
    const ciphertext = request.ciphertext;
    if (ciphertext[0] === 0) return new DecryptReply(inverted(ciphertext.slice(1)));
    const block = toBlock(ciphertext.slice(1));
    const reply = finish(block, net_request(block));
    const said = concat(new Uint8Array(1).fill(reply.code as u8), reply.body);
    return new DecryptReply(said.slice(0, min(said.length, MAX_PLAINTEXT)));
  }
}

function inverted(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => ~byte);
}

serve(new NetRaw());
