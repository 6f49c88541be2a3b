/**
 * The versions that providers report as unusable, by key. An object of such a version has a key_id that cannot be computed: the KMS no longer
 * reports the version. It is recognised by the beginning of its ciphertext, for its error message only.
 */
import { KleidiError } from "../error.ts";
import type { UnusableVersions } from "./provider.ts";

interface Match extends UnusableVersions {
  readonly key: string;
}

export class UnusableTable {
  readonly #byKey = new Map<string, readonly UnusableVersions[]>();

  /** Replaces the groups of a key. @param groups of a checked reply of Status */
  set(key: string, groups: readonly UnusableVersions[] = []): void {
    this.#byKey.set(key, groups);
  }

  /** Takes over the groups of a key, which is the same one in both tables. */
  copy(from: UnusableTable, key: string): void {
    this.set(key, from.#byKey.get(key));
  }

  /**
   * Explains why an object cannot be decrypted.
   * @param key the key that has its key_id; undefined: no key has it
   * @returns key-not-ready with the reasons of the providers; undefined if no key reports versions with such ciphertexts
   */
  explain(ciphertext: Uint8Array, key?: string): KleidiError | undefined {
    const matches = this.#matches(ciphertext, key);
    if (matches.length === 0) return undefined;
    const names = matches.map(({ key }) => `"${key}"`).join(" or ");
    return new KleidiError(
      "key-not-ready/unusable",
      `Cannot decrypt: by its beginning, the ciphertext is of a version of key ${names} that the provider reports as unusable`,
      matches.map(({ reason, remedy }) => `${reason}. ${remedy}`).join("; "),
    );
  }

  #matches(ciphertext: Uint8Array, only: string | undefined): Match[] {
    // By name: the order in which the first probes end must not change a message.
    const byName = [...this.#byKey].sort(([a], [b]) => (a < b ? -1 : 1));
    return byName.flatMap(([key, groups]) => {
      if (only !== undefined && key !== only) return [];
      const found = groups.find(({ ciphertextPrefixes }) =>
        ciphertextPrefixes.some((prefix) => beginsWith(ciphertext, prefix)),
      );
      return found === undefined ? [] : [{ ...found, key }];
    });
  }
}

function beginsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.length <= bytes.length && prefix.every((byte, i) => bytes[i] === byte);
}
