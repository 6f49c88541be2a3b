/** The provider interface of the protocol's rules; the sandbox implements it. Every method rejects with a KleidiError. */
import type { Annotation } from "./annotations.ts";

export interface Provider {
  /** The provider's name in the configuration. */
  readonly name: string;
  /** @returns the version of the key to encrypt with, and the older versions that still decrypt */
  status(key: string): Promise<KeyVersions>;
  encrypt(request: EncryptRequest): Promise<Sealed>;
  /** @returns the plaintext */
  decrypt(request: DecryptRequest): Promise<Uint8Array>;
}

export interface KeyVersions {
  readonly version: string;
  readonly olderVersions: readonly string[];
  /** Versions that exist in the KMS, or once did, and that the provider does not decrypt now. */
  readonly unusable?: readonly UnusableVersions[];
  /** Of a foreign key: the key_ids under which the other plugin stored its objects, the newest first. */
  readonly foreignKeyIds?: readonly string[];
}

/** Both texts are the provider's: they may be logged and shown to the operator, and never sent to the API server. */
export interface UnusableVersions {
  readonly reason: string;
  readonly remedy: string;
  readonly ciphertextPrefixes: readonly Uint8Array[];
}

export interface EncryptRequest {
  readonly key: string;
  readonly version: string;
  readonly plaintext: Uint8Array;
  readonly associatedData: Uint8Array;
}

export interface Sealed {
  readonly ciphertext: Uint8Array;
  readonly annotations: readonly Annotation[];
}

export interface DecryptRequest extends Sealed {
  readonly key: string;
  readonly version: string;
  readonly associatedData: Uint8Array;
}
