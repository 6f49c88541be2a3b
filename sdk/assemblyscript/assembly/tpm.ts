/**
 * `kleidi:tpm`: commands of TPM 2.0 to one device, through the host's filter. A call does `enter`, any number of `transmit`, then
 * `leave`. If it ends without `leave`, the host flushes everything of this provider from the TPM; a call that gives up relies on that.
 */
import { toBlock } from "./extism";
import { finish, HostReply } from "./host";
import { tpm_enter, tpm_leave, tpm_transmit } from "./imports";
import { Reader, Writer } from "./protobuf";

/**
 * Waits for this provider's turn at the TPM.
 *
 * @returns a reply; `memoryOf` reads the bytes of the last `leave` from it
 * @throws Nothing. The reply's `code` reports a failure: UNAVAILABLE if the device cannot be reached.
 * @example
 * ```ts
 * const entered = tpm.enter();
 * if (entered.ok) tpm.leave(tpm.memoryOf(entered));
 * ```
 */
export function enter(): HostReply {
  // TpmEnterRequest has no fields, and a block has at least one byte: field 1, empty, which every reader skips.
  const request = toBlock(new Writer().element(1, new Uint8Array(0)).finish());
  return finish(request, tpm_enter(request));
}

/**
 * Reads the memory from the reply of `enter`.
 *
 * @param reply a reply of `enter` with `ok`
 * @returns at most 1,024 bytes; empty if the last call ended without `leave`, or none has run
 * @throws Nothing.
 * @example
 * ```ts
 * const isFirst = tpm.memoryOf(tpm.enter()).length === 0;
 * ```
 */
export function memoryOf(reply: HostReply): Uint8Array {
  const reader = new Reader(reply.body);
  let memory = new Uint8Array(0);
  while (reader.next()) {
    if (reader.field === 1) memory = reader.bytesValue();
    else reader.skip();
  }
  return reader.ok ? memory : new Uint8Array(0);
}

/**
 * Sends one command to the TPM.
 *
 * @param command a command of TPM 2.0 Part 3 with its header, at most 4,096 bytes
 * @returns a reply; `body` is the TPM's response with its header, whatever its response code
 * @throws Nothing. The reply's `code` reports a failure: INVALID outside of `enter` and `leave`, UNAVAILABLE if the device cannot be reached. DENIED, for a command that the grant does not allow, voids the call.
 * @example
 * ```ts
 * const getRandom = Uint8Array.wrap(new ArrayBuffer(12));
 * const response = tpm.transmit(getRandom);
 * ```
 */
export function transmit(command: Uint8Array): HostReply {
  const request = toBlock(new Writer().bytesValue(1, command).finish());
  return finish(request, tpm_transmit(request));
}

/**
 * Ends the turn.
 *
 * @param memory at most 1,024 bytes, returned by the next `enter` of any call; kept only in the host's memory
 * @returns a reply without a body
 * @throws Nothing. The reply's `code` reports a failure: INVALID outside of a turn.
 * @example
 * ```ts
 * const left = tpm.leave(new Uint8Array(0));
 * ```
 */
export function leave(memory: Uint8Array): HostReply {
  const request = toBlock(new Writer().element(1, memory).finish());
  return finish(request, tpm_leave(request));
}
