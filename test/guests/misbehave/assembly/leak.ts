/**
 * Looks for traces of an earlier call, then leaves some itself. In three places, because an instance can be reused in three ways: a global
 * (the instance), a cell outside every data segment (its memory under new globals), and heap that this call has not written (its memory
 * further up).
 */
let calls: u8 = 0;

const CELL: usize = 64;
const cell: usize = memory.data(64);
const HEAP: usize = 4096;

/** Calls seen before, non-zero bytes in the cell, non-zero bytes in the heap (at most 255): all 0 in a fresh instance. */
export function leftovers(plaintext: Uint8Array): Uint8Array {
  const block = newBlock();
  const found = new Uint8Array(3);
  found[0] = calls;
  found[1] = count(cell, CELL);
  found[2] = count(block, HEAP);
  calls++;
  memory.fill(cell, 0xa5, CELL);
  for (let at: usize = 0; at + 64 <= HEAP; at += 64) {
    memory.copy(block + at, plaintext.dataStart, min(plaintext.length, 64));
  }
  return found;
}

/** Not zeroed by the allocator, unlike every object. */
function newBlock(): usize {
  return heap.alloc(HEAP);
}

function count(start: usize, length: usize): u8 {
  let found: u32 = 0;
  for (let at: usize = 0; at < length; at++) if (load<u8>(start + at) !== 0) found++;
  return min(found, 255) as u8;
}
