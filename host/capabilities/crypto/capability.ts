/** kleidi:crypto: computes on the guest's own bytes, in the provider's process (host/sandbox/guest/crypto.mjs). */
import {
  CryptoAeadRequestSchema,
  CryptoCfbRequestSchema,
  CryptoDigestRequestSchema,
  CryptoEcdhRequestSchema,
  CryptoHkdfRequestSchema,
  CryptoHmacRequestSchema,
  CryptoRandomRequestSchema,
} from "../../../proto/provider/v1/provider_pb.ts";
import type { Capability } from "../capability.ts";

export const crypto = {
  name: "crypto",
  requests: {
    random: CryptoRandomRequestSchema,
    digest: CryptoDigestRequestSchema,
    hmac: CryptoHmacRequestSchema,
    hkdf: CryptoHkdfRequestSchema,
    aead_seal: CryptoAeadRequestSchema,
    aead_open: CryptoAeadRequestSchema,
    aes_cfb_encrypt: CryptoCfbRequestSchema,
    aes_cfb_decrypt: CryptoCfbRequestSchema,
    ecdh: CryptoEcdhRequestSchema,
  },
} as const satisfies Capability;
