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

// Each traps on an input that is not the message: the host wrote it, so there is nobody to explain it to.

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

/** 0 is the only value that an export may return; a failure is a message and not a return code. */
function send(bytes: Uint8Array): i32 {
  writeOutput(bytes);
  return 0;
}
