/**
 * The rules that an API server applies to replies (k8s.io/apiserver, pkg/storage/value/encrypt/envelope/kmsv2: ValidateKeyID,
 * ValidateEncryptedObject) and those of the comments in k8s.io/kms, apis/v2. Pure.
 */
import { isDomainName } from "../../kms/annotations.ts";
import { MAX_ANNOTATIONS, MAX_CIPHERTEXT, MAX_KEY_ID } from "../../kms/limits.ts";

/** Both are the same to an API server; one plugin always says the same. */
const VERSIONS: readonly string[] = ["v2", "v2beta1"];

/** @returns the fault as the object of "gave"; undefined if an API server accepts the reply */
export function statusFault(reply: {
  readonly version: string;
  readonly healthz: string;
  readonly keyId: string;
}): string | undefined {
  const { version, healthz, keyId } = reply;
  if (!VERSIONS.includes(version)) return `the version ${quoted(version)}, expected "v2"`;
  if (healthz !== "ok") return `the healthz ${quoted(healthz)}, expected "ok"`;
  return keyIdFault(keyId);
}

/** @returns the fault as the object of "gave"; undefined if an API server accepts the reply */
export function encryptFault(reply: {
  readonly ciphertext: Uint8Array;
  readonly keyId: string;
  readonly annotations: Readonly<Record<string, Uint8Array>>;
}): string | undefined {
  const { ciphertext, keyId, annotations } = reply;
  if (ciphertext.length < 1 || ciphertext.length > MAX_CIPHERTEXT)
    return `a ciphertext of ${ciphertext.length} bytes, expected 1 to ${MAX_CIPHERTEXT}`;
  return keyIdFault(keyId) ?? annotationsFault(annotations);
}

function keyIdFault(keyId: string): string | undefined {
  const size = Buffer.byteLength(keyId);
  return size >= 1 && size <= MAX_KEY_ID
    ? undefined
    : `a key_id of ${size} bytes, expected 1 to ${MAX_KEY_ID}`;
}

function annotationsFault(annotations: Readonly<Record<string, Uint8Array>>): string | undefined {
  const entries = Object.entries(annotations);
  const bad = entries.find(([name]) => !isDomainName(name));
  if (bad !== undefined)
    return `the annotation ${quoted(bad[0])}, expected a domain name of two labels or more`;
  const size = entries.reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + value.length, 0);
  return size <= MAX_ANNOTATIONS
    ? undefined
    : `annotations of ${size} bytes, at most ${MAX_ANNOTATIONS} are allowed`;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
