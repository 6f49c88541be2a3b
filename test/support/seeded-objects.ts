/**
 * Objects in etcd as an API server stores them, each under a seed of its own or all under one. Source: k8s.io/apiserver 0.36,
 * storage/value/encrypt/envelope/kmsv2 and storage/value/encrypt/aes (extended nonce: 32 bytes of info, from which the seed's key is derived).
 */
import { createCipheriv, createHmac, randomBytes } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import type { KmsClient } from "../../host/grpc/client.ts";
import { EncryptedObjectSchema } from "../../proto/etcd/v3/etcd_pb.ts";

/** A seed of 32 bytes, and what a plugin made of it. */
export interface Seed {
  readonly bytes: Buffer;
  readonly sealed: Awaited<ReturnType<KmsClient["encrypt"]>>;
}

const INFO = 32;
const NONCE = 12;
/** EncryptedDEKSourceType_HKDF_SHA256_XNONCE_AES_GCM_SEED */
const SEED_TYPE = 1;

export async function newSeed(client: KmsClient): Promise<Seed> {
  const bytes = randomBytes(32);
  return { bytes, sealed: await client.encrypt({ plaintext: bytes }) };
}

/**
 * Encrypts the value of a key in etcd.
 * @param provider the name in the EncryptionConfiguration
 * @param path the key in etcd, which is bound to the value
 * @param object the object in clear, as it is stored
 */
export function encryptedObject(
  provider: string,
  path: string,
  object: Uint8Array,
  { bytes, sealed }: Seed,
): Buffer {
  const info = randomBytes(INFO);
  const nonce = randomBytes(NONCE);
  // HKDF-Expand with one block (RFC 5869, 2.3).
  const key = createHmac("sha256", bytes).update(info).update(Uint8Array.of(1)).digest();
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(path));
  const encryptedData = Buffer.concat([
    info,
    nonce,
    cipher.update(object),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  const { ciphertext, keyId, annotations } = sealed;
  const stored = create(EncryptedObjectSchema, {
    encryptedData,
    keyId,
    encryptedDekSource: ciphertext,
    annotations,
    encryptedDekSourceType: SEED_TYPE,
  });
  return Buffer.concat([Buffer.from(`k8s:enc:kms:v2:${provider}:`), toBinary(EncryptedObjectSchema, stored)]);
}
