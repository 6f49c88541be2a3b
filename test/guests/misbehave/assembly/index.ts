/**
 * A working provider, except that a key's name selects a fault, so that tests name the fault in the configuration. Every name is a case in
 * status.ts, encrypt.ts or decrypt.ts; any other name is served correctly.
 */
import {
  receiveDecrypt,
  receiveEncrypt,
  receiveStatus,
} from "../../../../sdk/assemblyscript/assembly/exchange";
import { decrypt } from "./decrypt";
import { encrypt } from "./encrypt";
import { status } from "./status";

export function kleidi_status(): i32 {
  return status(receiveStatus());
}

export function kleidi_encrypt(): i32 {
  return encrypt(receiveEncrypt());
}

export function kleidi_decrypt(): i32 {
  return decrypt(receiveDecrypt());
}
