/** The set that serves, which a reload exchanges under the running server. */
import type { KeyId } from "../kms/key-id.ts";
import type { DecryptInput, Encrypted, KmsService } from "../kms/service.ts";
import type { ServingSet } from "./serving-set.ts";

export class Serving implements Pick<KmsService, "status" | "encrypt" | "decrypt"> {
  #current: ServingSet;

  constructor(first: ServingSet) {
    this.#current = first;
  }

  get current(): ServingSet {
    return this.#current;
  }

  /**
   * From now on RPCs are served by this set. Those that have begun end on the former one.
   * @returns the former set
   */
  exchange(next: ServingSet): ServingSet {
    const former = this.#current;
    this.#current = next;
    return former;
  }

  status(ms?: number): Promise<KeyId> {
    return this.#run((service) => service.status(ms));
  }

  encrypt(plaintext: Uint8Array, ms?: number): Promise<Encrypted> {
    return this.#run((service) => service.encrypt(plaintext, ms));
  }

  decrypt(request: DecryptInput, ms?: number): Promise<Uint8Array> {
    return this.#run((service) => service.decrypt(request, ms));
  }

  async #run<T>(rpc: (service: KmsService) => Promise<T>): Promise<T> {
    const { service, inFlight } = this.#current;
    inFlight.begin();
    try {
      return await rpc(service);
    } finally {
      inFlight.end();
    }
  }
}
