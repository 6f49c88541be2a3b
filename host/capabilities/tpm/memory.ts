/** What a provider asks the host to remember between two calls: handles, and secrets of sessions. It cannot be printed. */
export class Memory {
  #bytes = new Uint8Array();

  set(bytes: Uint8Array): void {
    this.wipe();
    this.#bytes = Uint8Array.from(bytes);
  }

  /** Gives the bytes away: they are here no more. */
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
