/**
 * Called by the compiler's code if a check fails: an index out of range, a null, a failed assert. The call ends, and its instance with
 * it (docs/ABI.md, section 2). This function is not in the entry file, because every export there becomes an export of the module.
 */
export function trap(_message: string | null, _file: string | null, _line: u32, _column: u32): void {
  unreachable();
}

/** Returns the value, or traps if it is null. For values that the host guarantees by contract, which need no error message. */
export function owed<T>(value: T | null): T {
  if (value == null) unreachable();
  return value!;
}
