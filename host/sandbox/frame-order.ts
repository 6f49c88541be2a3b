/** The order of the frames of a provider's process. Pure: a frame that our guest program never sends shows that an attacker controls the process. */
import { Frame, USAGE_BYTES } from "./wire.mjs";

/** The frames that the host has sent and received, as far as they matter for the order. */
export interface FrameState {
  readonly started: boolean;
  /** LOADED, or FAILED for the loading, was received. */
  readonly loadingEnded: boolean;
  /** The number of the next call; those below exist. */
  readonly nextCall: number;
  /** The process was told to send USAGE. */
  readonly reportsUsage?: boolean;
  /** The largest output of an export, in bytes. */
  readonly outputBytes: number;
  /** The state of a call that exists. "waiting": for the host's answer. "dropped": it may still send the one frame that crossed the DROP. */
  stateOf(call: number): "running" | "waiting" | "dropped" | "ended";
}

/** @returns the fault of a frame, as a clause about the process; undefined if there is none */
export function faultOf(
  state: FrameState,
  type: number,
  call: number,
  payloadBytes: number,
): string | undefined {
  if (type === Frame.STARTED) {
    return call !== 0 || state.started ? "it sent STARTED out of order" : undefined;
  }
  if (!state.started) return `it sent a frame of type ${type} before STARTED`;
  if (type === Frame.LOADED || (type === Frame.FAILED && call === 0)) {
    if (call !== 0 || state.loadingEnded) return "it sent the result of its loading out of order";
    return undefined;
  }
  if (type === Frame.USAGE && state.reportsUsage) {
    // No state: one of a dropped call crosses the DROP together with the call's last frame.
    const isOfCall = call > 0 && call < state.nextCall && payloadBytes === USAGE_BYTES;
    return isOfCall ? undefined : "it sent a malformed report of its usage";
  }
  if (type !== Frame.RESULT && type !== Frame.FAILED && type !== Frame.HOST_CALL) {
    return `it sent a frame of the unexpected type ${type}`;
  }
  if (call === 0 || call >= state.nextCall) return `it sent a frame for call ${call}, which does not exist`;
  // Our guest program enforces this limit too. A larger reply comes from an attacker.
  if (type === Frame.RESULT && payloadBytes > state.outputBytes) {
    return `its reply is ${payloadBytes} bytes, at most ${state.outputBytes} are allowed`;
  }
  const found = state.stateOf(call);
  if (found === "ended") return `it sent a frame for call ${call}, which has ended`;
  // A denial may be in transit: a reply that overtakes it would not be void.
  if (found === "waiting") return "it sent a frame for a call that waits for the host";
  return undefined;
}
