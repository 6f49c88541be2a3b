/**
 * The TPM provider: the KEK is an HMAC key that a TPM 2.0 created or imported and never releases. The TPM derives an AES key for each seed;
 * providers/tpm/README.md describes the protection and its limits.
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
  ProvisionReply,
  ProvisionRequest,
  refuse,
  StatusReply,
  StatusRequest,
  same,
  serve,
} from "../../../sdk/assemblyscript/assembly";
import { keyIdOf, MIN_CIPHERTEXT, NONCE, nonceOf, open, seal } from "./blob";
import { readSettings } from "./parent";
import { random } from "./primitives";
import { provision } from "./provision";
import { hex, unhex } from "./text";
import { failed } from "./trouble";
import { deriveId, deriveSeedKey } from "./use";

export {
  kleidi_decrypt,
  kleidi_encrypt,
  kleidi_provision,
  kleidi_status,
} from "../../../sdk/assemblyscript/assembly";

class Tpm extends Provider {
  /** The version is the key's id. The TPM computes it each time: one command proves that the key works. */
  status(request: StatusRequest): StatusReply {
    if (!readSettings(request.key, request.settings)) return failed<StatusReply>();
    const derived = deriveId(request.key);
    if (derived === null) return failed<StatusReply>();
    if (!same(derived.bytes.slice(0, 16), derived.keyId)) {
      const message = `Cannot use the key "${request.key}": the TPM has another KEK than before`;
      return fail<StatusReply>(FailureCode.KEY_UNUSABLE, message);
    }
    return new StatusReply(hex(derived.keyId));
  }

  encrypt(request: EncryptRequest): EncryptReply {
    const keyId = unhex(request.version);
    if (keyId === null || keyId.length !== 16) {
      const message = "Cannot encrypt: the requested version is not a version of this provider";
      return fail<EncryptReply>(FailureCode.KEY_UNUSABLE, message);
    }
    if (!readSettings(request.key, request.settings)) return failed<EncryptReply>();
    const nonce = random(NONCE);
    const derived = deriveSeedKey(request.key, keyId, nonce);
    if (derived === null) return failed<EncryptReply>();
    const format = derived.scheme.format;
    const sealed = seal(format, keyId, nonce, derived.bytes, request.plaintext, request.associated_data);
    if (!sealed.ok) return failFrom<EncryptReply>(sealed, "seal the seed");
    return new EncryptReply(sealed.body);
  }

  decrypt(request: DecryptRequest): DecryptReply {
    const ciphertext = request.ciphertext;
    if (ciphertext.length < MIN_CIPHERTEXT) {
      return refuse(
        `it is ${decimal(ciphertext.length)} bytes, at least ${decimal(MIN_CIPHERTEXT)} are needed`,
      );
    }
    const format = ciphertext[0];
    if (format !== 1 && format !== 2) {
      return refuse(`its format is ${decimal(format)}, only 1 and 2 are known`);
    }
    const keyId = keyIdOf(ciphertext);
    if (hex(keyId) !== request.version) return refuse(`it was made with the version ${hex(keyId)}`);
    if (!readSettings(request.key, request.settings)) return failed<DecryptReply>();
    const derived = deriveSeedKey(request.key, keyId, nonceOf(ciphertext));
    if (derived === null) return failed<DecryptReply>();
    if (format !== derived.scheme.format)
      return refuse("its format belongs to another scheme than the key's");
    const opened = open(ciphertext, derived.bytes, request.associated_data);
    if (!opened.ok) return failFrom<DecryptReply>(opened, "open the ciphertext");
    return new DecryptReply(opened.body);
  }

  provision(request: ProvisionRequest): ProvisionReply {
    return provision(request);
  }
}

serve(new Tpm());
