/** A provider in the memory of the test: AES-256-GCM with the associated data, so that it refuses what another key or another label made. */
import { KleidiError } from "../../host/error.ts";
import type { DecryptRequest, EncryptRequest, Provider, Sealed } from "../../host/kms/provider.ts";

export const OFFLINE = new KleidiError("backend-unreachable/connection", "Cannot call: offline");

export class FakeKms implements Provider {
  readonly name: string;
  readonly calls: string[] = [];
  version = "1";
  olderVersions: string[] = [];
  /** Every call fails with it. */
  failure: unknown;
  /** Status alone fails with it. */
  statusFailure: unknown;
  /** Decrypt waits for it. */
  decryptGate: Promise<void> | undefined;
  /** Status waits for it. */
  statusGate: Promise<void> | undefined;
  annotations: Sealed["annotations"] = [];
  readonly #key = crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);

  constructor(name: string) {
    this.name = name;
  }

  async status() {
    await this.statusGate;
    this.#record("status", this.statusFailure ?? this.failure);
    return { version: this.version, olderVersions: this.olderVersions };
  }

  async encrypt({ key, plaintext, version, associatedData }: EncryptRequest): Promise<Sealed> {
    this.#record("encrypt", this.failure);
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const additionalData = new Uint8Array([
      ...new TextEncoder().encode(`${key} ${version} `),
      ...associatedData,
    ]);
    const sealed = await crypto.subtle.encrypt(
      { name: "AES-GCM", iv, additionalData },
      await this.#key,
      Uint8Array.from(plaintext),
    );
    return { ciphertext: new Uint8Array([...iv, ...new Uint8Array(sealed)]), annotations: this.annotations };
  }

  async decrypt({ key, ciphertext, version, associatedData }: DecryptRequest): Promise<Uint8Array> {
    await this.decryptGate;
    this.#record("decrypt", this.failure);
    const additionalData = new Uint8Array([
      ...new TextEncoder().encode(`${key} ${version} `),
      ...associatedData,
    ]);
    try {
      const iv = Uint8Array.from(ciphertext.subarray(0, 12));
      const sealed = Uint8Array.from(ciphertext.subarray(12));
      return new Uint8Array(
        await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, await this.#key, sealed),
      );
    } catch (error) {
      throw new KleidiError(
        "ciphertext-invalid/refused",
        `Cannot decrypt: provider "${this.name}" refused it`,
        error,
      );
    }
  }

  count(call: string): number {
    return this.calls.filter((each) => each === call).length;
  }

  #record(call: string, failure: unknown): void {
    this.calls.push(call);
    if (failure !== undefined) throw failure;
  }
}
