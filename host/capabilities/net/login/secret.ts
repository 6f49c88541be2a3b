/** What must not be printed: tokens, and what is in secret files. */
import { inspect } from "node:util";

/** Bytes without a way to print them. Only `use` and `text` give them out, to who means it. */
export class Secret {
  readonly #bytes: Buffer;

  /** @param bytes are kept, not copied */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  static of(text: string): Secret {
    return new Secret(Buffer.from(text));
  }

  get length(): number {
    return this.#bytes.length;
  }

  use<T>(work: (bytes: Buffer) => T): T {
    return work(this.#bytes);
  }

  /** For a header or a body that is sent at once: text cannot be wiped. */
  text(): string {
    return this.#bytes.toString();
  }

  equals(other: Secret): boolean {
    return other.use((bytes) => this.#bytes.equals(bytes));
  }

  wipe(): void {
    this.#bytes.fill(0);
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [inspect.custom](): string {
    return "[secret]";
  }
}
