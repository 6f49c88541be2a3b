/**
 * Reads the request of this call and writes its reply. `serve.ts` does both around a provider's method; a guest that answers by its
 * own rules, such as a hostile one in a test, calls them directly.
 */
import { owed } from "./abort";
import { readInput, writeOutput } from "./extism";
import {
  DecryptReply,
  DecryptRequest,
  EncryptReply,
  EncryptRequest,
  ProvisionReply,
  ProvisionRequest,
  StatusReply,
  StatusRequest,
} from "./messages";

// Each traps on a malformed message: the host wrote it, so a failure reply would help no one.

export function receiveStatus(): StatusRequest {
  return owed<StatusRequest>(StatusRequest.decode(readInput()));
}

export function receiveEncrypt(): EncryptRequest {
  return owed<EncryptRequest>(EncryptRequest.decode(readInput()));
}

export function receiveDecrypt(): DecryptRequest {
  return owed<DecryptRequest>(DecryptRequest.decode(readInput()));
}

export function receiveProvision(): ProvisionRequest {
  return owed<ProvisionRequest>(ProvisionRequest.decode(readInput()));
}

export function sendStatus(reply: StatusReply): i32 {
  return send(reply.encode());
}

export function sendEncrypt(reply: EncryptReply): i32 {
  return send(reply.encode());
}

export function sendDecrypt(reply: DecryptReply): i32 {
  return send(reply.encode());
}

export function sendProvision(reply: ProvisionReply): i32 {
  return send(reply.encode());
}

/** Every export returns 0: a failure is in the reply, not in the return code. */
function send(bytes: Uint8Array): i32 {
  writeOutput(bytes);
  return 0;
}
