/** Reads how a value in etcd is encrypted, without decrypting it. Source: k8s.io/apiserver 0.36, storage/value/encrypt. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type EncryptedObject, EncryptedObjectSchema } from "../../proto/etcd/v3/etcd_pb.ts";
import { type ForeignName, foreignFormatOf } from "../foreign.ts";
import { formatOf } from "../kms/annotations.ts";
import { Malformed } from "../kms/composed/bytes.ts";
import { decodeCiphertext, type Header } from "../kms/composed/header.ts";
import { COMPOSED_FORMAT } from "../kms/composed/wrap.ts";

export type StoredValue =
  | {
      readonly kind: "kms-v2";
      readonly provider: string;
      readonly keyId: string;
      /** The wraps of an object of a composed key of kleidi (docs/formats.md). */
      readonly composed?: Header;
      /** The other plugin that writes such objects; undefined: none that is known. */
      readonly foreign?: ForeignName | undefined;
    }
  /** Another transformer of the API server: aescbc, aesgcm, secretbox, kms v1. `name` is that of its key, or of its provider. */
  | { readonly kind: "other"; readonly transformer: string; readonly name: string }
  | { readonly kind: "clear" }
  | { readonly kind: "damaged"; readonly problem: string };

const PREFIX = Buffer.from("k8s:enc:");
const NAMED = /^k8s:enc:(kms:v1|kms:v2|aescbc:v1|aesgcm:v1|secretbox:v1):([^:]+):/;
/** The longest prefix with a name that is read here. */
const MAX_PREFIX = 1024;
/** The first bytes of an object in clear: protobuf of Kubernetes, JSON, CBOR. */
const CLEAR = [Buffer.from("k8s\0"), Buffer.from("{"), Buffer.from([0xd9, 0xd9, 0xf7])];

const CUT = "it is not a valid EncryptedObject of KMS v2: it was cut or changed";

/** The API server's limits, in bytes. */
const MAX_FIELD = 1024;
const MAX_ANNOTATIONS = 32 << 10;
/** The shortest encrypted data by the type of its key: nonce and tag of AES-GCM, and 32 bytes from which the key is derived. */
const MIN_DATA: readonly number[] = [12 + 16, 32 + 12 + 16];

/** @param value the bytes of a key of etcd under the API server's prefix */
export function readStoredValue(value: Uint8Array): StoredValue {
  if (!startsWith(value, PREFIX)) return readClear(value);
  const text = Buffer.from(value.subarray(0, MAX_PREFIX)).toString("latin1");
  const [prefix = "", transformer = "", name = ""] = NAMED.exec(text) ?? [];
  if (prefix === "") return damaged("it names no known way of encryption after k8s:enc:");
  const data = value.subarray(prefix.length);
  if (transformer === "kms:v2") return readEncryptedObject(name, data);
  if (data.length === 0) return damaged("it ends after its prefix");
  return { kind: "other", transformer: transformer.replace(":", " "), name };
}

function readClear(value: Uint8Array): StoredValue {
  if (CLEAR.some((start) => startsWith(value, start))) return { kind: "clear" };
  return damaged(
    value.length === 0 ? "it is empty" : "it is neither encrypted nor an object of Kubernetes in clear",
  );
}

/** Checks what the API server checks before it decrypts. */
function readEncryptedObject(provider: string, data: Uint8Array): StoredValue {
  let object: EncryptedObject;
  try {
    object = fromBinary(EncryptedObjectSchema, data, { readUnknownFields: false });
  } catch {
    return damaged(CUT);
  }
  // The reader takes missing bytes at the end for zeros. No encoding of a message is shorter than the one made here.
  if (toBinary(EncryptedObjectSchema, object).length > data.length) return damaged(CUT);
  const problem = problemOf(object);
  if (problem !== undefined) return damaged(problem);
  const { keyId, annotations, encryptedDekSource } = object;
  const foreign = foreignFormatOf(keyId, annotations);
  const found = { kind: "kms-v2", provider, keyId, ...(foreign && { foreign }) } as const;
  if (formatOf(annotations) !== COMPOSED_FORMAT) return found;
  try {
    return { ...found, composed: decodeCiphertext(encryptedDekSource).header };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return damaged(`its key source is not one of a composed key: ${error.message}`);
  }
}

function problemOf(object: EncryptedObject): string | undefined {
  const { encryptedData, keyId, encryptedDekSource, annotations, encryptedDekSourceType: type } = object;
  const least = MIN_DATA[type];
  if (least === undefined) return `the type of its key source is ${type}, which is unknown`;
  if (encryptedData.length < least)
    return `its encrypted data is ${encryptedData.length} bytes, at least ${least} are needed`;
  const id = Buffer.byteLength(keyId);
  if (id === 0 || id > MAX_FIELD) return `its key_id is ${id} bytes, 1 to ${MAX_FIELD} are allowed`;
  const source = encryptedDekSource.length;
  if (source === 0 || source > MAX_FIELD)
    return `its key source is ${source} bytes, 1 to ${MAX_FIELD} are allowed`;
  const size = Object.entries(annotations).reduce(
    (sum, [name, bytes]) => sum + Buffer.byteLength(name) + bytes.length,
    0,
  );
  if (size > MAX_ANNOTATIONS)
    return `its annotations are ${size} bytes, at most ${MAX_ANNOTATIONS} are allowed`;
  return undefined;
}

function damaged(problem: string): StoredValue {
  return { kind: "damaged", problem };
}

function startsWith(value: Uint8Array, start: Buffer): boolean {
  return start.equals(value.subarray(0, start.length));
}
