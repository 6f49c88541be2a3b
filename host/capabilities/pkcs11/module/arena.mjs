/**
 * The memory that the module reads and writes: one block that lives as long as the process, so that no garbage collection moves or frees
 * bytes whose address the module has. Each operation begins at its start, and wipes what it used.
 */
import { getRawPointer } from "node:ffi";

/** The largest messages of an operation and its structures. */
const SIZE = 1 << 18;
const ALIGNMENT = 8;

const block = Buffer.from(new ArrayBuffer(SIZE));
const base = getRawPointer(block);
let used = 0;

/**
 * Runs an operation, then wipes the memory that it allocated. Operations are synchronous and do not nest.
 * @template T
 * @param {() => T} operation
 * @returns {T} which must not refer to the memory
 */
export function withArena(operation) {
  try {
    return operation();
  } finally {
    block.fill(0, 0, used);
    used = 0;
  }
}

/**
 * @param {number} length
 * @returns {Buffer} zeros, valid during the operation
 * @throws {RangeError}
 */
export function allocate(length) {
  const start = used;
  const end = start + Math.ceil(length / ALIGNMENT) * ALIGNMENT;
  if (end > SIZE) throw new RangeError(`the operation needs over ${SIZE} bytes of memory`);
  used = end;
  return block.subarray(start, start + length);
}

/**
 * Copies bytes into the memory.
 * @param {Uint8Array} bytes
 * @returns {Buffer}
 */
export function copied(bytes) {
  const copy = allocate(bytes.length);
  copy.set(bytes);
  return copy;
}

/**
 * @param {Buffer} bytes of `allocate` or `copied`
 * @returns {bigint} 0, a null pointer, for no bytes
 */
export function addressOf(bytes) {
  return bytes.length === 0 ? 0n : base + BigInt(bytes.byteOffset - block.byteOffset);
}
