/** The failures of the members of a composed key: of several, the most useful one is thrown. */
import { type FaultName, KleidiError, toKleidiError } from "../error.ts";
import type { SimpleKey } from "./keyset.ts";

/** Runs work with a member; it may repeat it. */
export type Perform = <T>(member: SimpleKey, work: () => Promise<T>) => Promise<T>;

/** Waits for all, and throws the most useful failure. */
export async function all<T>(
  work: readonly Promise<T>[],
  action: string,
  names: readonly string[],
): Promise<T[]> {
  const results = await Promise.allSettled(work);
  const failed = results.flatMap((result, index) =>
    result.status === "rejected" ? [{ error: result.reason, name: names[index] ?? "" }] : [],
  );
  if (failed.length > 0)
    throw worst(
      failed.map(({ error }) => error),
      action,
      failed.map(({ name }) => name),
    );
  return results.map((result) => (result as PromiseFulfilledResult<T>).value);
}

/** The failures that another try or another member may end come first, then those of the configuration, then damage. */
const LAST: readonly string[] = ["key-unknown", "annotations-invalid", "ciphertext-invalid"];

/**
 * Joins the failures of members.
 * @param action "Cannot decrypt with key "both""
 * @returns the most useful one, which names the others in its message
 */
export function worst(errors: readonly unknown[], action: string, names: readonly string[]): KleidiError {
  const failures = errors.map((error) => toKleidiError(error, "use a member"));
  const rank = ({ code }: KleidiError) => (code === "backend-unreachable" ? -2 : LAST.indexOf(code));
  const [first] = failures.toSorted((a, b) => rank(a) - rank(b));
  const parts = failures.map(({ message }, index) => `member "${names[index]}": ${message}`);
  const fault: FaultName = first?.fault ?? "host-fault";
  return new KleidiError(fault, `${action}: ${parts.join("; ")}`, first?.cause);
}
