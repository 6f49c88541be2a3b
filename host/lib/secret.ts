/** A holder of bytes that must not be printed: tokens, keys, and the content of secret files. */
import { inspect } from "node:util";

const SHOWN = "[secret]";

/**
 * Secret bytes. Templates, JSON and util.inspect show "[secret]"; only `use` and `text` reveal the bytes.
 * @example
 *     const token = Secret.of("s.abc");
 *     `${token}` === "[secret]";
 *     token.use((bytes) => bytes.length) === 5;
 *     token.wipe();
 */
export class Secret<Bytes extends Uint8Array = Uint8Array> {
  readonly #bytes: Bytes;

  /** @param bytes kept, not copied; `wipe` fills them with zeros */
  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  /** @param text copied as UTF-8 into memory of its own; the text itself cannot be wiped */
  static of(text: string): Secret<Uint8Array<ArrayBuffer>> {
    return new Secret(ownBytes(text));
  }

  /** Length in bytes. */
  get length(): number {
    return this.#bytes.length;
  }

  /**
   * Passes the bytes to `work`. A copy that leaves `work` is not wiped with the secret.
   * @returns the result of `work`
   */
  use<T>(work: (bytes: Bytes) => T): T {
    return work(this.#bytes);
  }

  /** Decodes the bytes as UTF-8. Only for a header or a body that is sent at once: text cannot be wiped. */
  text(): string {
    const { buffer, byteOffset, length } = this.#bytes;
    return Buffer.from(buffer, byteOffset, length).toString();
  }

  equals(other: Secret): boolean {
    return other.use((bytes) => Buffer.compare(this.#bytes, bytes) === 0);
  }

  /** Fills the bytes with zeros. */
  wipe(): void {
    this.#bytes.fill(0);
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }
}

/**
 * Encodes a text as UTF-8 in memory of its own: Buffer.from(text) would leave a copy in Node's pool.
 * @returns bytes, which the caller fills with zeros
 */
export function ownBytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Buffer.byteLength(text));
  new TextEncoder().encodeInto(text, bytes);
  return bytes;
}
