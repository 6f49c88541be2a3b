/**
 * Reads the outline of a WebAssembly binary (core specification 2.0, section 5.5): imports, exports and custom sections. It runs
 * no code and compiles none; what it does not read, the provider's process finds out.
 */

export interface ModuleOutline {
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  /** The module's own memories. */
  readonly memories: readonly { readonly shared: boolean }[];
  readonly customSections: readonly { readonly name: string; readonly bytes: Uint8Array }[];
}

export interface Import {
  readonly module: string;
  readonly name: string;
  readonly kind: ExternalKind;
}

export interface Export {
  readonly name: string;
  readonly kind: ExternalKind;
}

export type ExternalKind = "function" | "table" | "memory" | "global" | "tag";

const KINDS: readonly ExternalKind[] = ["function", "table", "memory", "global", "tag"];
const PREAMBLE = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const decoder = new TextDecoder("utf-8", { fatal: true });

/** @throws Error saying at which byte the binary is not what it should be */
export function readModule(bytes: Uint8Array): ModuleOutline {
  if (!PREAMBLE.every((byte, at) => bytes[at] === byte)) {
    throw new Error("it does not begin as a WebAssembly core module does (00 61 73 6d 01 00 00 00)");
  }
  const reader = new Reader(bytes, PREAMBLE.length);
  const outline = {
    imports: [] as Import[],
    exports: [] as Export[],
    memories: [] as Memory[],
    customSections: [] as Custom[],
  };
  while (reader.left > 0) {
    const id = reader.byte();
    const section = reader.slice(reader.u32());
    if (id === 0) outline.customSections.push({ name: section.name(), bytes: section.rest() });
    else if (id === 2) outline.imports.push(...section.list(readImport));
    else if (id === 5) outline.memories.push(...section.list(readMemory));
    else if (id === 7) outline.exports.push(...section.list(readExport));
  }
  return outline;
}

type Memory = { shared: boolean };
type Custom = { name: string; bytes: Uint8Array };

function readImport(reader: Reader): Import {
  const module = reader.name();
  const name = reader.name();
  const kind = reader.kind();
  if (kind === "function") reader.u32();
  else if (kind === "tag") {
    reader.byte();
    reader.u32();
  } else if (kind === "global") reader.slice(2);
  else {
    if (kind === "table") reader.byte();
    readMemory(reader);
  }
  return { module, name, kind };
}

/** Limits: a flags byte, a minimum and, with bit 0, a maximum. Bit 1: shared. */
function readMemory(reader: Reader): Memory {
  const flags = reader.byte();
  reader.leb();
  if (flags & 1) reader.leb();
  return { shared: (flags & 2) !== 0 };
}

function readExport(reader: Reader): Export {
  const name = reader.name();
  const kind = reader.kind();
  reader.u32();
  return { name, kind };
}

class Reader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new Error(`it is cut short at byte ${this.#at}`);
    this.#at += 1;
    return byte;
  }

  /** Any unsigned LEB128 of up to 64 bits. */
  leb(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new Error(`the number before byte ${this.#at} is over 64 bits`);
  }

  u32(): number {
    const value = this.leb();
    if (value > 0xffffffffn) throw new Error(`the number before byte ${this.#at} is over 32 bits`);
    return Number(value);
  }

  slice(length: number): Reader {
    return new Reader(this.#take(length));
  }

  rest(): Uint8Array {
    return this.#take(this.left);
  }

  name(): string {
    const at = this.#at;
    try {
      return decoder.decode(this.#take(this.u32()));
    } catch (error) {
      throw error instanceof TypeError ? new Error(`the name at byte ${at} is no UTF-8`) : error;
    }
  }

  kind(): ExternalKind {
    const byte = this.byte();
    const kind = KINDS[byte];
    if (kind === undefined) throw new Error(`kind ${byte} before byte ${this.#at} is unknown`);
    return kind;
  }

  list<T>(read: (reader: Reader) => T): T[] {
    const count = this.u32();
    if (count > this.left) throw new Error(`a list claims ${count} entries in ${this.left} bytes`);
    return Array.from({ length: count }, () => read(this));
  }

  #take(length: number): Uint8Array {
    if (length > this.left) {
      throw new Error(
        `it is cut short: ${length} bytes are claimed at byte ${this.#at}, ${this.left} are left`,
      );
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
