/** Makes findings from a migration: the passes over each resource, and the API servers that took no part in the count. Pure. */
import type { Finding } from "../finding.ts";
import type { Tally } from "../migration/tally.ts";
import { readsBetween } from "./count.ts";
import { hashOf, type KnownKeys, keyName } from "./key-usage.ts";
import type { Sample } from "./samples.ts";

/** @param seconds the duration of the pass */
export function passFindings(resource: string, tally: Tally, seconds: number): Finding[] {
  const { objects, changed, conflicts, refused, refusals } = tally;
  const rate = objects === 0 ? "" : ` in ${seconds.toFixed(1)} s, ${Math.round(objects / seconds)}/s`;
  const raced = conflicts === 0 ? "" : `; ${conflicts} were changed by other clients meanwhile`;
  const detail = `${objects} objects were sent${rate}: ${changed} were rewritten, the others were current${raced}`;
  const shown = refusals.map(({ object, code, message }): Finding => {
    const answer = code === 0 ? message : `${code} ${message}`;
    return {
      subject: resource,
      ok: false,
      detail: `${object} was not rewritten: ${answer}`,
      hint: "It stays under its old key. Correct the object or the admission rule, and run the command again.",
    };
  });
  const rest = refused - refusals.length;
  const more: Finding[] =
    rest === 0 ? [] : [{ subject: resource, ok: false, detail: `${rest} more objects were not rewritten` }];
  return [{ subject: resource, ok: true, detail }, ...shown, ...more];
}

/** @returns the finding of a pass that a signal or a fault ended */
export function interruption(resource: string, { objects, changed }: Tally, reason: string): Finding {
  return {
    subject: resource,
    ok: false,
    detail: `the pass ended early after ${objects} objects, ${changed} of them rewritten: ${reason}`,
    hint: "Run the same command again: objects that are current are not written, and with --position it continues where it ended.",
  };
}

/**
 * The proof that an API server which answered no request of the count used no older key meanwhile.
 * @param before its metrics after the migration
 * @param after its metrics after the count
 */
export function unusedFindings(
  subject: string,
  before: readonly Sample[],
  after: readonly Sample[],
  names: readonly string[] | undefined,
  keys: KnownKeys,
): Finding[] {
  const active = keys.active === undefined ? undefined : hashOf(keys.active);
  const uses = (["from_storage", "to_storage"] as const).flatMap((direction) =>
    readsBetween(before, after, names, direction)
      .filter(({ hash }) => hash !== active)
      .map(({ hash, count }): Finding => {
        const verb = direction === "to_storage" ? "writes" : "reads";
        const detail = `${count} ${verb} under ${keyName(hash, keys)} while the objects were counted`;
        const hint =
          direction === "to_storage"
            ? "It still writes with another key: compare its EncryptionConfiguration and its host, and migrate again."
            : "Objects are left under it, possibly of a resource that was not migrated: name it with --resource.";
        return { subject, ok: false, detail, hint };
      }),
  );
  if (uses.length > 0) return uses;
  return [{ subject, ok: true, detail: "used no older key while the objects were counted" }];
}
