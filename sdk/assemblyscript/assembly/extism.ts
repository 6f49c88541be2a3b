/**
 * Moves bytes into and out of the guest through Extism's blocks (docs/ABI.md, section 3). Each load or store is a call into the host,
 * so it moves eight bytes at a time where possible.
 */
import * as env from "./imports";

/** Reads the input of this call. */
export function readInput(): Uint8Array {
  const length = env.input_length() as i32;
  const bytes = new Uint8Array(length);
  const base = bytes.dataStart;
  let i = 0;
  for (; i + 8 <= length; i += 8) store<u64>(base + i, env.input_load_u64(i as u64));
  for (; i < length; i++) store<u8>(base + i, env.input_load_u8(i as u64) as u8);
  return bytes;
}

/** Copies bytes into a new block; returns its address, or 0, which is never the address of a block, for no bytes. */
export function toBlock(bytes: Uint8Array): u64 {
  const length = bytes.length;
  if (length === 0) return 0;
  const address = env.alloc(length as u64);
  const base = bytes.dataStart;
  let i = 0;
  for (; i + 8 <= length; i += 8) env.store_u64(address + (i as u64), load<u64>(base + i));
  for (; i < length; i++) env.store_u8(address + (i as u64), load<u8>(base + i));
  return address;
}

/** Reads the bytes of a block. */
export function fromBlock(address: u64): Uint8Array {
  const length = env.length(address) as i32;
  const bytes = new Uint8Array(length);
  const base = bytes.dataStart;
  let i = 0;
  for (; i + 8 <= length; i += 8) store<u64>(base + i, env.load_u64(address + (i as u64)));
  for (; i < length; i++) store<u8>(base + i, env.load_u8(address + (i as u64)) as u8);
  return bytes;
}

/** Sets the reply of this call. Without bytes there is no reply, and the host reports that. */
export function writeOutput(bytes: Uint8Array): void {
  if (bytes.length > 0) env.output_set(toBlock(bytes), bytes.length as u64);
}

/** Frees a block. It still counts against the blocks and the 4 MiB of a call. */
export function freeBlock(address: u64): void {
  if (address !== 0) env.free(address);
}
