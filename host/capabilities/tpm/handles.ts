/**
 * What one provider has in the TPM: its own numbers, and the TPM's behind them. A number is never given twice, so that one which a
 * provider kept for too long names nothing instead of something else.
 */
import type { Owned } from "./policy.ts";

/** Well above a TPM's own, so that no number means something on both sides by chance. */
const FIRST = 0x1000;
/** TRANSIENT_LAST is 80FFFFFE (TPM 2.0 Part 2, 7.5). */
const LAST = 0xfffffe;

const isObject = (handle: number) => handle >>> 24 === 0x80;

export class HandleTable implements Owned {
  readonly #real = new Map<number, number>();
  readonly #stating = new Set<number>();
  #next = FIRST;

  real(handle: number): number | undefined {
    return this.#real.get(handle);
  }

  statesAuthValue(session: number): boolean {
    return this.#stating.has(session);
  }

  /** @param unstates of these a TPM has begun the policy again */
  state(states: number | undefined, unstates: readonly number[]): void {
    for (const session of unstates) this.#stating.delete(session);
    if (states !== undefined) this.#stating.add(states);
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

  /** @returns the provider's number, of the same type; undefined when all numbers were given */
  add(real: number): number | undefined {
    if (this.#next > LAST) return undefined;
    const handle = ((real & 0xff000000) | this.#next) >>> 0;
    this.#next += 1;
    this.#real.set(handle, real);
    return handle;
  }

  drop(handle: number): void {
    this.#real.delete(handle);
    this.#stating.delete(handle);
  }

  has(real: number): boolean {
    return [...this.#real.values()].includes(real);
  }

  /** Empties the table; gives the TPM's handles that were in it. */
  clear(): number[] {
    const all = [...this.#real.values()];
    this.#real.clear();
    this.#stating.clear();
    if (this.#next > LAST) this.#next = FIRST;
    return all;
  }

  #count(of: (handle: number) => boolean): number {
    return [...this.#real.keys()].filter(of).length;
  }
}
