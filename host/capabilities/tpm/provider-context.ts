/**
 * The state of one provider at one device: its lock, its handles and its memory. Handles and memory are lost together, because the
 * memory says what the handles are: a provider that gets its memory back finds its objects.
 */

import { CallLock } from "./call-lock.ts";
import { HandleTable } from "./handles.ts";
import { Memory } from "./memory.ts";
import type { CommandEffects } from "./policy.ts";
import { codeOf, HEADER, missingHandleOf } from "./response.ts";

export class ProviderContext {
  readonly owned = new HandleTable();
  readonly lock: CallLock;
  readonly #memory = new Memory();
  /** Incremented when all handles are lost. A command that was decided on in an earlier generation must not be sent. */
  #generation = 0;
  #enteredIn = 0;
  /** True if a command is being performed. One at a time: two at once could together exceed a quota that each respects. */
  isBusy = false;

  /** @param flush removes these handles from the TPM */
  constructor(flush: (handles: () => readonly number[]) => Promise<void>) {
    this.lock = new CallLock(() => flush(() => this.empty()));
  }

  get generation(): number {
    return this.#generation;
  }

  /** No call holds the lock, and the provider has objects or sessions that can be evicted. */
  get isIdle(): boolean {
    return !this.lock.isHeld && this.owned.size > 0;
  }

  /** A call holds the lock, and the provider has objects or sessions in the TPM. */
  get isActive(): boolean {
    return this.lock.isHeld && this.owned.size > 0;
  }

  /** @returns the memory of the last `leave`; undefined if the call ended before it got the lock */
  async enter(call: AbortSignal): Promise<Uint8Array | undefined> {
    if (!(await this.lock.enter(call))) return undefined;
    this.#enteredIn = this.#generation;
    return this.#memory.take();
  }

  leave(call: AbortSignal, memory: Uint8Array): void {
    // All handles were lost during this call and none was created since: the memory describes lost objects.
    const stale = this.#enteredIn !== this.#generation && this.owned.size === 0;
    if (!stale) this.#memory.set(memory);
    this.lock.leave(call);
  }

  /** Forgets handles and memory. @returns the TPM's handles, to be flushed if they still exist */
  empty(): readonly number[] {
    this.#generation += 1;
    this.#memory.wipe();
    return this.owned.clear();
  }

  /** True if the response says that an object or session of the provider, which the command named, is not in the TPM. */
  reportsMissingHandle(effects: CommandEffects, response: Uint8Array): boolean {
    const missing = missingHandleOf(codeOf(response));
    const handle = missing === undefined ? undefined : effects[missing.of][missing.place];
    return handle !== undefined && this.owned.real(handle) !== undefined;
  }

  /**
   * Applies the effects of a successful command, and replaces the TPM's handle in the response by the provider's.
   * @param real the handle in the response, if it has one
   * @returns the response for the provider; undefined if no number is left
   */
  applySuccess(
    effects: CommandEffects,
    response: Uint8Array,
    real: number | undefined,
  ): Uint8Array | undefined {
    // The TPM restarts a policy once its session has authorized a command (Part 1, 19.7.4).
    this.owned.applyPolicyEffects(effects.bindsAuthValue, effects.restartsPolicy);
    for (const handle of effects.ends) this.owned.drop(handle);
    if (real === undefined) return response;
    const handle = this.owned.add(real);
    if (handle === undefined) return undefined;
    const translated = Uint8Array.from(response);
    new DataView(translated.buffer).setUint32(HEADER, handle);
    return translated;
  }
}
