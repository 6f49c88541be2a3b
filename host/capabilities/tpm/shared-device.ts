/**
 * One device and the providers that share it. All commands go through one queue. Handles are translated and handle tables are changed
 * inside the queue only, so that no other command runs between a lookup and its use.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { answer, type HostAnswer, HostCode, refusal } from "../../host-call.ts";
import { Device } from "./device.ts";
import { flushContext } from "./host-commands.ts";
import type { CommandEffects } from "./policy.ts";
import { ProviderContext } from "./provider-context.ts";
import { Queue } from "./queue.ts";
import { codeOf, HEADER, managerAnswer, Rc } from "./response.ts";
import type { TpmEndpoint } from "./transport.ts";
import { TransportError } from "./transport-error.ts";

/** A command to forward, its effects, and the generation of the handles in it. */
export interface Forward {
  readonly forward: Uint8Array;
  readonly effects: CommandEffects;
  readonly generation: number;
}

const OVER = refusal(HostCode.UNAVAILABLE, "the call is over");
const UNREACHABLE = refusal(HostCode.UNAVAILABLE, "the TPM cannot be reached", "tpm");
const STOPPING = refusal(HostCode.UNAVAILABLE, "the host is stopping");

/** Pauses while active providers fill the TPM, half a second in total. If two wait for each other, one gets the TPM's answer. */
const FIRST_WAIT_MS = 4;
const LAST_WAIT_MS = 256;

export interface SharedDeviceOptions {
  readonly endpoint: TpmEndpoint;
  readonly timeoutMs?: number | undefined;
  /** Called with the reason when a connection fails or is lost. */
  readonly warn: (device: string, why: string) => void;
}

export class SharedDevice {
  readonly #contexts = new Set<ProviderContext>();
  readonly #queue = new Queue();
  readonly #device: Device;
  readonly #warn: (why: string) => void;

  constructor({ endpoint, timeoutMs, warn }: SharedDeviceOptions) {
    this.#warn = (why) => warn(endpoint.name, why);
    this.#device = new Device({
      endpoint,
      timeoutMs,
      onLost: () => {
        for (const context of this.#contexts) context.empty();
      },
    });
  }

  /** @returns the context of one more user of the device, without handles and memory */
  join(): ProviderContext {
    const context = new ProviderContext((handles) => this.#queue.run(() => this.#flush(handles())));
    this.#contexts.add(context);
    return context;
  }

  /**
   * Sends a command of a provider's call.
   * @param call aborted when the call of the guest is over
   * @returns the response; a refusal with UNAVAILABLE if the TPM fails. Never rejects because of the TPM.
   */
  async transmit(context: ProviderContext, command: Forward, call: AbortSignal): Promise<HostAnswer> {
    context.isBusy = true;
    try {
      for (let waitMs = FIRST_WAIT_MS; ; waitMs *= 2) {
        const done = await this.#queue.run(async () => {
          if (!this.#contexts.has(context)) return STOPPING;
          if (call.aborted) return OVER;
          return answer(await this.#perform(context, command));
        });
        if (waitMs > LAST_WAIT_MS || !this.#isFilledByOthers(context, done)) return done;
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

  /** Flushes the objects and sessions of one user; after the last one the device is closed. Its later commands are refused. */
  leave(context: ProviderContext): Promise<void> {
    this.#contexts.delete(context);
    const isLast = this.#contexts.size === 0;
    return this.#queue.run(async () => {
      await this.#flush(context.empty());
      if (isLast) await this.#device.close();
    });
  }

  /** True if the TPM is full while another provider is active: most of them leave within a few milliseconds. */
  #isFilledByOthers(context: ProviderContext, { code, body }: HostAnswer): boolean {
    if (code !== HostCode.OK || !isFull(body)) return false;
    return [...this.#contexts].some((each) => each !== context && each.isActive);
  }

  async #perform(context: ProviderContext, command: Forward): Promise<Uint8Array> {
    let response = await this.#send(context, command);
    if (await this.#makeRoom(context, command.effects, response))
      response = await this.#send(context, command);
    if (context.reportsMissingHandle(command.effects, response)) {
      // The TPM was reset: the provider's other objects are gone too, or useless without this one.
      await this.#flush(context.empty());
      return response;
    }
    if (codeOf(response) !== 0) return response;
    const { creates } = command.effects;
    const real = creates === undefined ? undefined : handleIn(response, creates);
    if (creates !== undefined && real === undefined) {
      const why = `a success without the handle of ${creates === "object" ? "an object" : "a session"}`;
      this.#device.abandon(why);
      throw new TransportError(why);
    }
    if (real === undefined) return context.applySuccess(command.effects, response, real) ?? response;
    this.#dropReusedHandle(real);
    const translated = context.applySuccess(command.effects, response, real);
    if (translated !== undefined) return translated;
    // All sixteen million numbers are used: the provider starts again, as after a reset.
    await this.#flush([real, ...context.empty()]);
    return managerAnswer(Rc.OBJECT_MEMORY);
  }

  async #send(context: ProviderContext, { forward, effects, generation }: Forward): Promise<Uint8Array> {
    if (generation === context.generation || !namesOwnHandle(effects)) return this.#device.exchange(forward);
    // All handles were lost after the decision: the TPM's handles in the command may belong to another provider now.
    return managerAnswer(Rc.REFERENCE_H0);
  }

  /** Makes room in a full TPM: flushes handles that no provider owns, else everything of one idle provider. @returns true if it did */
  async #makeRoom(context: ProviderContext, effects: CommandEffects, response: Uint8Array): Promise<boolean> {
    if (!isFull(response)) return false;
    const contexts = [...this.#contexts];
    if (await this.#device.sweep((handle) => contexts.some(({ owned }) => owned.has(handle)))) return true;
    // A resource manager answers OBJECT_MEMORY for sessions too.
    const kind =
      codeOf(response) === Rc.OBJECT_MEMORY && effects.creates !== "session" ? "objects" : "sessions";
    const idle = contexts.find((each) => each !== context && each.isIdle && each.owned[kind] > 0);
    if (idle === undefined) return false;
    await this.#flush(idle.empty());
    return true;
  }

  /** Drops the handles of a provider whose handle the TPM returned for another: the TPM was reset in between. */
  #dropReusedHandle(real: number): void {
    for (const each of this.#contexts) if (each.owned.has(real)) each.empty();
  }

  async #flush(handles: readonly number[]): Promise<void> {
    for (const handle of handles) {
      // Not connected: the next connection starts with an empty TPM.
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

/** True if the command names a handle of the provider, and not only permanent and persistent handles. */
function namesOwnHandle({ handles, sessions, ends }: CommandEffects): boolean {
  return [...handles, ...sessions, ...ends].some((handle) => [0x80, 0x02, 0x03].includes(handle >>> 24));
}

function handleIn(response: Uint8Array, kind: "object" | "session"): number | undefined {
  if (response.length < HEADER + 4) return undefined;
  const handle = new DataView(response.buffer, response.byteOffset).getUint32(HEADER);
  const type = handle >>> 24;
  const fits = kind === "object" ? type === 0x80 : type === 0x02 || type === 0x03;
  return fits ? handle : undefined;
}
