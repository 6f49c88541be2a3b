/**
 * `kleidi:tpm`: commands of TPM 2.0 to one device, through the host's filter. `enter`, any number of `transmit`, `leave`; a call
 * that ends without `leave` has everything that is this provider's flushed, so that is also how to give up.
 */
import { toBlock } from "./extism";
import { finish, HostReply } from "./host";
import { tpm_enter, tpm_leave, tpm_transmit } from "./imports";
import { Reader, Writer } from "./protobuf";

/** Waits for this provider's turn; `memoryOf` reads what the last `leave` remembered from the reply. */
export function enter(): HostReply {
  // TpmEnterRequest has no fields, and a block has at least one byte: field 1, empty, which every reader skips.
  const request = toBlock(new Writer().element(1, new Uint8Array(0)).finish());
  return finish(request, tpm_enter(request));
}

/** The memory in the reply of `enter`; empty where there is none. */
export function memoryOf(reply: HostReply): Uint8Array {
  const reader = new Reader(reply.body);
  let memory = new Uint8Array(0);
  while (reader.next()) {
    if (reader.field === 1) memory = reader.bytesValue();
    else reader.skip();
  }
  return reader.ok ? memory : new Uint8Array(0);
}

/** A command, header included, at most 4,096 bytes. Body: the response, header included, whatever its code. */
export function transmit(command: Uint8Array): HostReply {
  const request = toBlock(new Writer().bytesValue(1, command).finish());
  return finish(request, tpm_transmit(request));
}

/** Ends the turn. `memory`, at most 1,024 bytes, is what the next `enter` gets. */
export function leave(memory: Uint8Array): HostReply {
  const request = toBlock(new Writer().element(1, memory).finish());
  return finish(request, tpm_leave(request));
}
