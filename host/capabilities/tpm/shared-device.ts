/**
 * One device and the providers that share it. All that is sent goes through one queue; which of a provider's handles stand for what in
 * the TPM is looked at and changed in there only, so that nothing comes between a look and what follows from it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { answer, type HostAnswer, HostCode, refusal } from "../../host-call.ts";
import { ProviderContext } from "./context.ts";
import { Device } from "./device.ts";
import { flushContext } from "./housekeeping.ts";
import type { After } from "./policy.ts";
import { Queue } from "./queue.ts";
import { codeOf, HEADER, managerAnswer, Rc } from "./response.ts";
import type { Where } from "./transport.ts";
import { TransportError } from "./transport-error.ts";

/** A decision to send, and what it was decided on. */
export interface Forward {
  readonly forward: Uint8Array;
  readonly after: After;
  readonly generation: number;
}

const OVER = refusal(HostCode.UNAVAILABLE, "the call is over");
const UNREACHABLE = refusal(HostCode.UNAVAILABLE, "the TPM cannot be reached");
const STOPPING = refusal(HostCode.UNAVAILABLE, "the host is stopping");

/** For a TPM that is full of what others are using, half a second in all. Two that wait for each other end with one that is told so. */
const FIRST_WAIT_MS = 4;
const LAST_WAIT_MS = 256;

export interface SharedDeviceOptions {
  readonly where: Where;
  readonly timeoutMs?: number | undefined;
  /** Told why a connection was lost or could not be made. */
  readonly warn: (device: string, why: string) => void;
}

export class SharedDevice {
  readonly #contexts = new Map<string, ProviderContext>();
  readonly #queue = new Queue();
  readonly #device: Device;
  readonly #warn: (why: string) => void;
  #closed = false;

  constructor({ where, timeoutMs, warn }: SharedDeviceOptions) {
    this.#warn = (why) => warn(where.name, why);
    this.#device = new Device({
      where,
      timeoutMs,
      onLost: () => {
        for (const context of this.#contexts.values()) context.empty();
      },
    });
  }

  context(provider: string): ProviderContext {
    const found = this.#contexts.get(provider);
    if (found !== undefined) return found;
    const made = new ProviderContext((handles) => this.#queue.run(() => this.#flush(handles())));
    this.#contexts.set(provider, made);
    return made;
  }

  /** Sends a command of a provider's call. Never rejects because of the TPM. */
  async transmit(context: ProviderContext, command: Forward, call: AbortSignal): Promise<HostAnswer> {
    context.isBusy = true;
    try {
      for (let waitMs = FIRST_WAIT_MS; ; waitMs *= 2) {
        const done = await this.#queue.run(async () => {
          if (this.#closed) return STOPPING;
          if (call.aborted) return OVER;
          return answer(await this.#perform(context, command));
        });
        if (waitMs > LAST_WAIT_MS || !this.#isFullOfOthers(context, done)) return done;
        await sleep(waitMs);
      }
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      this.#warn(error.message);
      return UNREACHABLE;
    } finally {
      context.isBusy = false;
    }
  }

  /** Flushes all that is anybody's, and lets go of the device. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#queue.run(async () => {
      for (const context of this.#contexts.values()) await this.#flush(context.empty());
      await this.#device.close();
    });
  }

  /** Others that are at it hold what is missing: most turns are over in a few milliseconds. */
  #isFullOfOthers(context: ProviderContext, { code, body }: HostAnswer): boolean {
    if (code !== HostCode.OK || !isFull(body)) return false;
    return [...this.#contexts.values()].some((each) => each !== context && each.isAtIt);
  }

  async #perform(context: ProviderContext, command: Forward): Promise<Uint8Array> {
    let response = await this.#send(context, command);
    if (await this.#makeRoom(context, command.after, response)) response = await this.#send(context, command);
    if (context.misses(command.after, response)) {
      // The TPM was reset, and what else it had of this provider's is gone too, or useless by itself.
      await this.#flush(context.empty());
      return response;
    }
    if (codeOf(response) !== 0) return response;
    const { creates } = command.after;
    const real = creates === undefined ? undefined : handleIn(response, creates);
    if (creates !== undefined && real === undefined) {
      const why = `a success without the handle of ${creates === "object" ? "an object" : "a session"}`;
      this.#device.abandon(why);
      throw new TransportError(why);
    }
    if (real === undefined) return context.learn(command.after, response, real) ?? response;
    this.#nobodyElseHas(real);
    const learnt = context.learn(command.after, response, real);
    if (learnt !== undefined) return learnt;
    // After sixteen million handles the provider begins anew, as after a reset.
    await this.#flush([real, ...context.empty()]);
    return managerAnswer(Rc.OBJECT_MEMORY);
  }

  async #send(context: ProviderContext, { forward, after, generation }: Forward): Promise<Uint8Array> {
    if (generation === context.generation || !namesOwn(after)) return this.#device.exchange(forward);
    // Since the decision all was lost, and the TPM's handles in it may be another provider's by now.
    return managerAnswer(Rc.REFERENCE_H0);
  }

  /** Where the TPM is full: takes out what is nobody's, else has one provider that is not at it give up what it has there. */
  async #makeRoom(context: ProviderContext, after: After, response: Uint8Array): Promise<boolean> {
    if (!isFull(response)) return false;
    const contexts = [...this.#contexts.values()];
    if (await this.#device.sweep((handle) => contexts.some(({ owned }) => owned.has(handle)))) return true;
    // A resource manager below says "object" of both.
    const kind =
      codeOf(response) === Rc.OBJECT_MEMORY && after.creates !== "session" ? "objects" : "sessions";
    const idle = contexts.find((each) => each !== context && each.isIdle && each.owned[kind] > 0);
    if (idle === undefined) return false;
    await this.#flush(idle.empty());
    return true;
  }

  /** The TPM gave a handle anew that the host thought was in use: it was reset, and who has it has nothing any more. */
  #nobodyElseHas(real: number): void {
    for (const each of this.#contexts.values()) if (each.owned.has(real)) each.empty();
  }

  async #flush(handles: readonly number[]): Promise<void> {
    for (const handle of handles) {
      // Not connected: whoever connects next begins with an empty TPM.
      if (!this.#device.isConnected) return;
      try {
        await this.#device.exchange(flushContext(handle));
      } catch (error) {
        this.#warn(error instanceof Error ? error.message : "flushing failed");
        return;
      }
    }
  }
}

function isFull(response: Uint8Array): boolean {
  const code = codeOf(response);
  return code === Rc.OBJECT_MEMORY || code === Rc.SESSION_MEMORY || code === Rc.SESSION_HANDLES;
}

/** Whether the command has something of the provider's in it, and not just permanent and persistent handles. */
function namesOwn({ handles, sessions, ends }: After): boolean {
  return [...handles, ...sessions, ...ends].some((handle) => [0x80, 0x02, 0x03].includes(handle >>> 24));
}

function handleIn(response: Uint8Array, kind: "object" | "session"): number | undefined {
  if (response.length < HEADER + 4) return undefined;
  const handle = new DataView(response.buffer, response.byteOffset).getUint32(HEADER);
  const type = handle >>> 24;
  const fits = kind === "object" ? type === 0x80 : type === 0x02 || type === 0x03;
  return fits ? handle : undefined;
}
