/**
 * What the compiler calls where a check fails: an index out of range, a null, a failed assert. The call is lost with the
 * instance, which is the contract's answer to a fault (docs/ABI.md, section 2). It is not in the entry file, because
 * everything exported there becomes an export of the module.
 */
export function trap(_message: string | null, _file: string | null, _line: u32, _column: u32): void {
  unreachable();
}

/** The value, or the end of the call. For what the host owes by its own contract: there is nobody to explain a fault to. */
export function owed<T>(value: T | null): T {
  if (value == null) unreachable();
  return value!;
}
