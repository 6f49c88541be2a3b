/** WebAssembly features that guests may not use, each with its reason or remedy: a phrase that completes "… at byte 17 belongs to …". */
export const EXCEPTIONS =
  "exception handling, which guests may not use: a guest could catch errors of the host. Compile with -fno-exceptions";
export const GC =
  "garbage collection or typed function references, which are not supported. Compile without them (-mno-gc)";
export const THREADS = "threads, which are not supported. Compile without -pthread and with -mno-atomics";
export const RELAXED_SIMD =
  "relaxed SIMD, which is not supported: its results differ between machines. Compile with -mno-relaxed-simd";
export const MEMORY64 = "64-bit addresses are not supported. Compile for wasm32";
export const MULTI_MEMORY = "more than one memory is not supported. Compile with -mno-multimemory";

const OPCODES = new Map<number, string>([
  // try, catch, throw, rethrow, throw_ref, delegate, catch_all, try_table
  ...[0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f].map((code) => [code, EXCEPTIONS] as const),
  // call_ref, return_call_ref, ref.eq, ref.as_non_null, br_on_null, br_on_non_null, and all of the prefix 0xfb
  ...[0x14, 0x15, 0xd3, 0xd4, 0xd5, 0xd6, 0xfb].map((code) => [code, GC] as const),
  [0xfe, THREADS],
]);

/**
 * @param shown the opcode as it is shown in the message
 * @param opcode its first byte
 * @param at its offset
 */
export function refusedOpcode(shown: string, opcode: number, at: number): Error {
  const why = OPCODES.get(opcode);
  return new Error(
    `the opcode ${shown} at byte ${at} ${why === undefined ? "is unknown" : `belongs to ${why}`}`,
  );
}
