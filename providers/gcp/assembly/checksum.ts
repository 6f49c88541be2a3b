/** CRC-32C (RFC 3720, B.4), by which KMS and its clients notice bytes that were changed on their way. Without a table, as base64 of the SDK. */
import { decimal } from "../../../sdk/assemblyscript/assembly";

const POLYNOMIAL: u32 = 0x82f63b78;

/** As KMS writes it: a number in decimal digits. */
export function crc32c(data: Uint8Array): string {
  let crc: u32 = 0xffffffff;
  for (let i = 0; i < data.length; i++) {
    crc ^= data[i];
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (POLYNOMIAL & (0 - (crc & 1)));
  }
  return decimal(~crc);
}
