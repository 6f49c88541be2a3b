/** What the protocol's rules need of a provider; the sandbox implements it. Every method rejects with a KleidiError. */
import type { Annotation } from "./annotations.ts";

export interface Provider {
  /** The provider's name in the configuration. */
  readonly name: string;
  /** Which version of the key should encrypt, and which others still decrypt. */
  status(key: string): Promise<KeyVersions>;
  encrypt(request: EncryptRequest): Promise<Sealed>;
  /** The plaintext. */
  decrypt(request: DecryptRequest): Promise<Uint8Array>;
}

export interface KeyVersions {
  readonly version: string;
  readonly olderVersions: readonly string[];
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
