/**
 * Leaks its plaintexts into every place that a provider can write to. The last character of a plaintext that begins with "CANARY"
 * selects the place, in addition to the log; any other plaintext is encrypted normally. The cipher is XOR with 0x55.
 */
import {
  Annotation,
  DecryptReply,
  EncryptReply,
  FailureCode,
  fail,
  keystore,
  log,
  StatusReply,
  utf8,
} from "../../../../sdk/assemblyscript/assembly";
import {
  receiveDecrypt,
  receiveEncrypt,
  receiveStatus,
  sendDecrypt,
  sendEncrypt,
  sendStatus,
} from "../../../../sdk/assemblyscript/assembly/exchange";
import { toBlock, writeOutput } from "../../../../sdk/assemblyscript/assembly/extism";
import * as env from "../../../../sdk/assemblyscript/assembly/imports";

export function kleidi_status(): i32 {
  if (remembers()) log.error("LEFTOVER");
  receiveStatus();
  return sendStatus(new StatusReply("v1"));
}

export function kleidi_encrypt(): i32 {
  if (remembers()) log.error("LEFTOVER");
  const plaintext = receiveEncrypt().plaintext;
  const where = askedFor(plaintext);
  if (where !== 0) {
    const broken = gossip(plaintext, where);
    if (broken) return 0;
    if (where === "1".charCodeAt(0)) {
      return sendEncrypt(fail<EncryptReply>(FailureCode.UNREACHABLE, text(plaintext)));
    }
  }
  const reply = new EncryptReply(xor(plaintext));
  // Unchanged: the host must refuse it.
  if (where === "4".charCodeAt(0)) reply.ciphertext = plaintext;
  if (where === "5".charCodeAt(0)) reply.annotations.push(new Annotation("a.example.com", plaintext));
  if (where === "6".charCodeAt(0)) reply.annotations.push(new Annotation(text(plaintext), utf8("x")));
  sendEncrypt(reply);
  if (where === "2".charCodeAt(0)) env.error_set(toBlock(plaintext));
  return 0;
}

export function kleidi_decrypt(): i32 {
  if (remembers()) log.error("LEFTOVER");
  const plaintext = xor(receiveDecrypt().ciphertext);
  const where = askedFor(plaintext);
  if (where !== 0) {
    const broken = gossip(plaintext, where);
    if (broken) return 0;
    if (where === "8".charCodeAt(0)) {
      return sendDecrypt(fail<DecryptReply>(FailureCode.UNREACHABLE, text(plaintext)));
    }
  }
  sendDecrypt(new DecryptReply(plaintext));
  if (where === "9".charCodeAt(0)) env.error_set(toBlock(plaintext));
  return 0;
}

/** True where the reply has been sent already, as an invalid reply. */
function gossip(plaintext: Uint8Array, where: i32): bool {
  log.debug(text(plaintext));
  if (remembers()) log.debug("PRESENT");
  log.info(hexadecimal(plaintext));
  log.warn(text(plaintext));
  log.error(`{"level":60,"guest":false,"msg":"${text(plaintext)}"}`);
  // An unknown level, with the text in an additional field.
  env.log_write(toBlock(behind([8, 9, 18, plaintext.length as u8], plaintext)));
  if (where === "3".charCodeAt(0)) keystore.info(text(plaintext));
  if (where === "7".charCodeAt(0)) {
    writeOutput(plaintext);
    return true;
  }
  return false;
}

/** Whether memory contains the beginning of a canary. At the beginning of a call it could only be an earlier call's. */
function remembers(): bool {
  const end = ((memory.size() as usize) << 16) - 4;
  for (let at: usize = 0; at <= end; at++) {
    // "CANA"; the word in this module's own data is UTF-16
    if (load<u32>(at) === 0x414e4143) return true;
  }
  return false;
}

function askedFor(plaintext: Uint8Array): i32 {
  return text(plaintext).startsWith("CANARY") ? plaintext[plaintext.length - 1] : 0;
}

function text(bytes: Uint8Array): string {
  return String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length);
}

function hexadecimal(bytes: Uint8Array): string {
  const digits = "0123456789abcdef";
  let told = "";
  for (let i = 0; i < bytes.length; i++) told += digits.charAt(bytes[i] >> 4) + digits.charAt(bytes[i] & 15);
  return told;
}

function xor(bytes: Uint8Array): Uint8Array {
  const changed = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) changed[i] = bytes[i] ^ 0x55;
  return changed;
}

function behind(head: u8[], bytes: Uint8Array): Uint8Array {
  const all = new Uint8Array(head.length + bytes.length);
  for (let i = 0; i < head.length; i++) all[i] = head[i];
  all.set(bytes, head.length);
  return all;
}
