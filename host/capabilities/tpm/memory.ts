/** The bytes that a provider asks the host to keep between two calls: handles and session secrets. They cannot be printed. */
export class Memory {
  #bytes = new Uint8Array();

  set(bytes: Uint8Array): void {
    this.wipe();
    this.#bytes = Uint8Array.from(bytes);
  }

  /** Moves the bytes to the caller and keeps no copy. */
  take(): Uint8Array {
    const bytes = this.#bytes;
    this.#bytes = new Uint8Array();
    return bytes;
  }

  wipe(): void {
    this.#bytes.fill(0);
    this.#bytes = new Uint8Array();
  }

  toJSON(): string {
    return "[memory]";
  }

  toString(): string {
    return "[memory]";
  }
}

export const MAX_MEMORY = 1024;
