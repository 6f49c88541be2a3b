/**
 * The KEK is an AES key of an HSM, used through `kleidi:pkcs11`. The setting `label` names it on the token; without it, the key's name does.
 *
 * Ciphertext: 01, then what the HSM encrypted (12 bytes of nonce, as many as the plaintext, 16 of tag). foreign.ts has that of another plugin.
 */
import {
  DecryptReply,
  DecryptRequest,
  decimal,
  EncryptReply,
  EncryptRequest,
  FailureCode,
  fail,
  failFrom,
  Provider,
  pkcs11,
  refuse,
  StatusReply,
  StatusRequest,
  serve,
} from "../../../sdk/assemblyscript/assembly";
import { decryptForeign, FOREIGN_KEY_ID, isKnownFormat, unknownFormat } from "./foreign";
import { labelOf } from "./label";

export { kleidi_decrypt, kleidi_encrypt, kleidi_status } from "../../../sdk/assemblyscript/assembly";

const FORMAT: u8 = 1;
/** Format, nonce, one byte of plaintext, tag. */
const MIN_CIPHERTEXT = 1 + 12 + 1 + 16;

class Pkcs11 extends Provider {
  status(request: StatusRequest): StatusReply {
    const label = labelOf(request.key, request.settings);
    if (label.fault !== "") return fail<StatusReply>(FailureCode.KEY_UNUSABLE, label.fault);
    const format = request.foreign_format;
    if (format !== "" && !isKnownFormat(format)) return unknownFormat<StatusReply>(format);
    const found = pkcs11.find(label.text);
    if (!found.ok) return failFrom<StatusReply>(found, "find the key");
    const granted = pkcs11.isForeign(found);
    if (granted !== (format !== "")) {
      return fail<StatusReply>(FailureCode.KEY_UNUSABLE, misgranted(label.text, granted));
    }
    const reply = new StatusReply(pkcs11.versionOf(found));
    if (granted) reply.foreign_key_ids.push(FOREIGN_KEY_ID);
    return reply;
  }

  encrypt(request: EncryptRequest): EncryptReply {
    const label = labelOf(request.key, request.settings);
    if (label.fault !== "") return fail<EncryptReply>(FailureCode.KEY_UNUSABLE, label.fault);
    const aad = request.associated_data;
    const sealed = pkcs11.encrypt(label.text, request.version, request.plaintext, aad);
    if (!sealed.ok) return failFrom<EncryptReply>(sealed, "encrypt with the key");
    const ciphertext = new Uint8Array(1 + sealed.body.length);
    ciphertext[0] = FORMAT;
    ciphertext.set(sealed.body, 1);
    return new EncryptReply(ciphertext);
  }

  decrypt(request: DecryptRequest): DecryptReply {
    const label = labelOf(request.key, request.settings);
    if (label.fault !== "") return fail<DecryptReply>(FailureCode.KEY_UNUSABLE, label.fault);
    if (request.foreign_format !== "") return decryptForeign(label.text, request);
    const ciphertext = request.ciphertext;
    if (ciphertext.length < MIN_CIPHERTEXT) {
      return refuse(
        `it is ${decimal(ciphertext.length)} bytes, at least ${decimal(MIN_CIPHERTEXT)} are needed`,
      );
    }
    if (ciphertext[0] !== FORMAT) {
      return refuse(`its format is ${decimal(ciphertext[0])}, only ${decimal(FORMAT)} is known`);
    }
    const opened = pkcs11.decrypt(label.text, request.version, ciphertext.slice(1), request.associated_data);
    if (!opened.ok) return failFrom<DecryptReply>(opened, "decrypt with the key");
    return new DecryptReply(opened.body);
  }
}

/** @param granted the key is granted for the objects of another plugin */
function misgranted(label: string, granted: bool): string {
  const cannot = `Cannot use the key: its label "${label}" is in grants.pkcs11.`;
  if (granted) return `${cannot}foreign, so it needs foreign and use: decrypt; create another one for kleidí`;
  return `${cannot}keys, but it has foreign: write the label into grants.pkcs11.foreign instead`;
}

serve(new Pkcs11());
