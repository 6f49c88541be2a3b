/** `kleidi:crypto` for the stand-in, the part that tests of guests need: node:crypto, without the contract's limits. */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import {
  CryptoAeadRequestSchema,
  CryptoCfbRequestSchema,
  CryptoDigestRequestSchema,
  CryptoHkdfRequestSchema,
  CryptoRandomRequestSchema,
} from "../../proto/provider/v1/provider_pb.ts";
import type { HostCalls } from "./stand-in.ts";

const NOT_AUTHENTIC = 4;

export const cryptoCalls: HostCalls = {
  "crypto.random": (bytes) => randomBytes(fromBinary(CryptoRandomRequestSchema, bytes).length),
  "crypto.digest": (bytes) => {
    const { algorithm, data } = fromBinary(CryptoDigestRequestSchema, bytes);
    return createHash(algorithm).update(data).digest();
  },
  "crypto.aes_cfb_encrypt": (bytes) => {
    const { key, iv, data } = fromBinary(CryptoCfbRequestSchema, bytes);
    return createCipheriv("aes-256-cfb", key, iv).update(data);
  },
  "crypto.aes_cfb_decrypt": (bytes) => {
    const { key, iv, data } = fromBinary(CryptoCfbRequestSchema, bytes);
    return createDecipheriv("aes-256-cfb", key, iv).update(data);
  },
  "crypto.hkdf": (bytes) => {
    const { algorithm, key, salt, info, length } = fromBinary(CryptoHkdfRequestSchema, bytes);
    return new Uint8Array(hkdfSync(algorithm, key, salt, info, length));
  },
  "crypto.aead_seal": (bytes) => {
    const { key, nonce, data, associatedData } = fromBinary(CryptoAeadRequestSchema, bytes);
    const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(associatedData);
    return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
  },
  "crypto.aead_open": (bytes) => {
    const { key, nonce, data, associatedData } = fromBinary(CryptoAeadRequestSchema, bytes);
    if (data.length < 16) return NOT_AUTHENTIC;
    const decipher = createDecipheriv("aes-256-gcm", key, nonce).setAAD(associatedData);
    decipher.setAuthTag(data.subarray(-16));
    try {
      return Buffer.concat([decipher.update(data.subarray(0, -16)), decipher.final()]);
    } catch {
      return NOT_AUTHENTIC;
    }
  },
};
