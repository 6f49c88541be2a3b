/** A protobuf message as its fields, to encode it in other ways than a library does. Pure. */

/** A field: its number, its wire type, and its value as encoded, without the length of a LEN field. */
export interface WireField {
  readonly number: number;
  readonly type: number;
  readonly value: Uint8Array;
}

const LEN = 2;

/** Splits a valid message of VARINT and LEN fields. */
export function fieldsOf(message: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  for (let at = 0; at < message.length; ) {
    const [key, afterKey] = readVarint(message, at);
    if ((key & 7) === LEN) {
      const [length, start] = readVarint(message, afterKey);
      fields.push({ number: key >> 3, type: LEN, value: message.subarray(start, start + length) });
      at = start + length;
    } else {
      const [, end] = readVarint(message, afterKey);
      fields.push({ number: key >> 3, type: key & 7, value: message.subarray(afterKey, end) });
      at = end;
    }
  }
  return fields;
}

/** @param longLengths writes each length in five bytes */
export function encodeFields(fields: readonly WireField[], longLengths = false): Uint8Array {
  return Buffer.concat(
    fields.flatMap(({ number, type, value }) => [
      varint((number << 3) | type),
      ...(type === LEN ? [longLengths ? longVarint(value.length) : varint(value.length)] : []),
      value,
    ]),
  );
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let left = value >>> 0;
  for (; left > 127; left >>>= 7) bytes.push((left & 127) | 128);
  return Uint8Array.from([...bytes, left]);
}

function longVarint(value: number): Uint8Array {
  return Uint8Array.from([0, 7, 14, 21].map((shift) => ((value >>> shift) & 127) | 128).concat(value >>> 28));
}

function readVarint(bytes: Uint8Array, at: number): [value: number, end: number] {
  let value = 0;
  for (let i = at; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    value |= (byte & 127) << (7 * (i - at));
    if (byte < 128) return [value >>> 0, i + 1];
  }
  throw new RangeError(`a varint at byte ${at} has no end`);
}
