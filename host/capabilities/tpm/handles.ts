/**
 * Maps the handles of one provider to the TPM's handles. A number is never reused, so a handle that a provider kept for too long names
 * nothing instead of another object.
 */
import type { OwnedHandles } from "./policy.ts";

/** Well above a TPM's own handles, so that no number is valid on both sides by chance. */
const FIRST = 0x1000;
/** TRANSIENT_LAST is 80FFFFFE (TPM 2.0 Part 2, 7.5). */
const LAST = 0xfffffe;

const isObject = (handle: number) => handle >>> 24 === 0x80;

export class HandleTable implements OwnedHandles {
  readonly #real = new Map<number, number>();
  readonly #authValueSessions = new Set<number>();
  #next = FIRST;

  real(handle: number): number | undefined {
    return this.#real.get(handle);
  }

  requiresAuthValue(session: number): boolean {
    return this.#authValueSessions.has(session);
  }

  /**
   * Records how a command changed the policies of sessions.
   * @param bindsAuthValue the session that now requires the authorization value
   * @param restartsPolicy sessions whose policy was restarted
   */
  applyPolicyEffects(bindsAuthValue: number | undefined, restartsPolicy: readonly number[]): void {
    for (const session of restartsPolicy) this.#authValueSessions.delete(session);
    if (bindsAuthValue !== undefined) this.#authValueSessions.add(bindsAuthValue);
  }

  get objects(): number {
    return this.#count(isObject);
  }

  get sessions(): number {
    return this.#count((handle) => !isObject(handle));
  }

  get size(): number {
    return this.#real.size;
  }

  /** @returns the provider's handle, of the same type; undefined if no number is left */
  add(real: number): number | undefined {
    if (this.#next > LAST) return undefined;
    const handle = ((real & 0xff000000) | this.#next) >>> 0;
    this.#next += 1;
    this.#real.set(handle, real);
    return handle;
  }

  drop(handle: number): void {
    this.#real.delete(handle);
    this.#authValueSessions.delete(handle);
  }

  has(real: number): boolean {
    return [...this.#real.values()].includes(real);
  }

  /** Empties the table. @returns the TPM's handles that were in it */
  clear(): number[] {
    const all = [...this.#real.values()];
    this.#real.clear();
    this.#authValueSessions.clear();
    if (this.#next > LAST) this.#next = FIRST;
    return all;
  }

  #count(of: (handle: number) => boolean): number {
    return [...this.#real.keys()].filter(of).length;
  }
}
