/**
 * A protobuf codec for VARINT and LEN fields, the only ones that proto/provider/v1 uses. The host's library would be more code
 * than all the rest of the provider's process. Tests compare this codec with the library.
 */

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();
/** The largest field number of protobuf. */
const MAX_FIELD = 2 ** 29 - 1;

/**
 * Decodes a message into its fields by number. Of a repeated field it returns the last.
 * @param {Uint8Array} bytes
 * @returns {Map<number, number | Uint8Array>}
 * @throws {RangeError} if the bytes are not such a message
 */
export function decode(bytes) {
  /** @type {Map<number, number | Uint8Array>} */
  const fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0;
    // Ten bytes hold 64 bits. A number over 53 bits loses its lowest ones; only unknown fields have such numbers, and they are not read.
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError("the message is truncated");
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new RangeError("a varint is longer than ten bytes");
  };
  while (at < bytes.length) {
    const key = varint();
    const number = Math.floor(key / 8);
    if (number < 1 || number > MAX_FIELD) throw new RangeError(`the field number ${number} is not valid`);
    if (key % 8 === 0) {
      fields.set(number, varint());
    } else if (key % 8 === 2) {
      const length = varint();
      if (length > bytes.length - at) throw new RangeError("the message is truncated");
      fields.set(number, bytes.subarray(at, at + length));
      at += length;
    } else {
      throw new RangeError(`wire type ${key % 8} is not supported`);
    }
  }
  return fields;
}

/**
 * @param {Map<number, number | Uint8Array>} fields
 * @param {number} number
 * @returns {Uint8Array} empty if the field is absent
 */
export function bytesField(fields, number) {
  const value = fields.get(number) ?? new Uint8Array();
  if (typeof value === "number") throw new RangeError(`field ${number} must be bytes`);
  return value;
}

/**
 * @param {Map<number, number | Uint8Array>} fields
 * @param {number} number
 */
export function textField(fields, number) {
  return decoder.decode(bytesField(fields, number));
}

/**
 * @param {Map<number, number | Uint8Array>} fields
 * @param {number} number
 * @returns {number} 0 if the field is absent
 */
export function numberField(fields, number) {
  const value = fields.get(number) ?? 0;
  if (typeof value !== "number") throw new RangeError(`field ${number} must be a number`);
  return value;
}

/**
 * Encodes a HostReply.
 * @param {number} code
 * @param {string} message
 * @param {Uint8Array} body
 */
export function encodeReply(code, message, body) {
  const text = encoder.encode(message);
  /** @type {number[]} */
  const head = [];
  if (code !== 0) head.push(8, code);
  if (text.length > 0) head.push(18, ...length(text), ...text);
  if (body.length > 0) head.push(26, ...length(body));
  const reply = new Uint8Array(head.length + body.length);
  reply.set(head);
  reply.set(body, head.length);
  return reply;
}

/** @param {Uint8Array} bytes */
function length(bytes) {
  let rest = bytes.length;
  const digits = [];
  for (; rest > 127; rest >>>= 7) digits.push((rest & 127) | 128);
  digits.push(rest);
  return digits;
}
