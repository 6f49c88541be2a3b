/**
 * Decides with which members an anyOf key encrypts. The key_id names them, and a change of it has every object rewritten, so a member that
 * comes and goes must not change it each time. Pure; one instance per key.
 */

/**
 * A member leaves after it was failed for this long: longer than the restart of a KMS or the election of its leader, and short enough for
 * an API server that starts meanwhile, which needs one Encrypt and tries every 10 s.
 */
export const LEAVE_AFTER_MS = 15_000;
/** A member returns after it was good for this long. */
export const RETURN_AFTER_MS = 60_000;

export interface MemberHealth {
  readonly name: string;
  readonly isGood: boolean;
}

export class MemberSet {
  readonly #since = new Map<string, { readonly isGood: boolean; readonly at: number }>();
  #names: readonly string[] = [];

  /**
   * @param members all members of the key, each after its last probe
   * @param now milliseconds on a steady clock
   * @returns the names of the members to encrypt with; empty: none was good yet
   */
  next(members: readonly MemberHealth[], now: number): readonly string[] {
    for (const { name, isGood } of members)
      if (this.#since.get(name)?.isGood !== isGood) this.#since.set(name, { isGood, at: now });
    const good = members.filter(({ isGood }) => isGood);
    // At the start there is no key_id to keep.
    const kept = this.#names.length === 0 ? good : members.filter((member) => this.#belongs(member, now));
    const next = kept.length === 0 ? good : kept;
    if (next.length > 0) this.#names = next.map(({ name }) => name);
    return this.#names;
  }

  #belongs({ name, isGood }: MemberHealth, now: number): boolean {
    const lasted = now - (this.#since.get(name)?.at ?? now);
    return this.#names.includes(name)
      ? isGood || lasted < LEAVE_AFTER_MS
      : isGood && lasted >= RETURN_AFTER_MS;
  }
}
