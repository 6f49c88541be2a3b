/**
 * What one provider has at one device: its turn, its handles, its memory. Handles and memory live and die together, because the
 * memory says what the handles are: a provider that finds memory finds its objects.
 */
import { HandleTable } from "./handles.ts";
import { Lease } from "./lease.ts";
import { Memory } from "./memory.ts";
import type { After } from "./policy.ts";
import { codeOf, goneOf, HEADER } from "./response.ts";

export class ProviderContext {
  readonly owned = new HandleTable();
  readonly lease: Lease;
  readonly #memory = new Memory();
  /** Counts how often everything was lost: a command that was decided on before must not be sent. */
  #generation = 0;
  #enteredIn = 0;
  /** One command of the call at a time: two in the air would each be within a quota that both together are not. */
  isBusy = false;

  /** @param flush takes these of the TPM's handles out of it */
  constructor(flush: (handles: () => readonly number[]) => Promise<void>) {
    this.lease = new Lease(() => flush(() => this.empty()));
  }

  get generation(): number {
    return this.#generation;
  }

  /** No call is inside, and there is something that could be given up. */
  get isIdle(): boolean {
    return !this.lease.isHeld && this.owned.size > 0;
  }

  /** A call is inside, and has something in the TPM. */
  get isAtIt(): boolean {
    return this.lease.isHeld && this.owned.size > 0;
  }

  /** @returns what the last leave remembered; undefined if the call was over before its turn */
  async enter(call: AbortSignal): Promise<Uint8Array | undefined> {
    if (!(await this.lease.enter(call))) return undefined;
    this.#enteredIn = this.#generation;
    return this.#memory.take();
  }

  leave(call: AbortSignal, memory: Uint8Array): void {
    // All was lost while the call was inside, and it has made nothing since: the memory tells of what is gone.
    const stale = this.#enteredIn !== this.#generation && this.owned.size === 0;
    if (!stale) this.#memory.set(memory);
    this.lease.leave(call);
  }

  /** Forgets everything; gives the TPM's handles that are to be flushed, if they are there still. */
  empty(): readonly number[] {
    this.#generation += 1;
    this.#memory.wipe();
    return this.owned.clear();
  }

  /** Whether the response says that an own object or session, which the command named, is not in the TPM. */
  misses(after: After, response: Uint8Array): boolean {
    const gone = goneOf(codeOf(response));
    const handle = gone === undefined ? undefined : after[gone.of][gone.place];
    return handle !== undefined && this.owned.real(handle) !== undefined;
  }

  /**
   * Takes in what a success means, and puts the provider's number in the place of the TPM's.
   * @param real the handle in the response, where there is one
   * @returns undefined when all numbers were given
   */
  learn(after: After, response: Uint8Array, real: number | undefined): Uint8Array | undefined {
    // The TPM begins a policy again once its session has authorized something (Part 1, 19.7.4).
    this.owned.state(after.states, after.unstates);
    for (const handle of after.ends) this.owned.drop(handle);
    if (real === undefined) return response;
    const handle = this.owned.add(real);
    if (handle === undefined) return undefined;
    const translated = Uint8Array.from(response);
    new DataView(translated.buffer).setUint32(HEADER, handle);
    return translated;
  }
}
