/**
 * The two ends of an export, so that it is one line in the provider:
 *
 *     export function kleidi_status(): i32 { return sendStatus(status(receiveStatus())); }
 *
 * The handler is called directly and not passed as a function: that would be a call through a table, and admission could
 * no longer tell which export reaches which host call.
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
