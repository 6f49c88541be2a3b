/**
 * The messages between the host and the process of a module, in frames of host/sandbox/wire.mjs. The host sends one request at a time; the
 * process answers each with DONE or FAILED and sends nothing else but STARTED. Plain JavaScript, as it runs on both sides.
 */

export const Message = /** @type {const} */ ({
  /** Fields: JSON { module, token, environment }. Answer: empty. */
  OPEN: 1,
  /** Fields: the mechanism, the key's label. Answer: JSON { version, bits, extractable }. */
  FIND: 2,
  /** Fields: mechanism, label, version, IV, associated data, plaintext. Answer: what `overheadOf` says. */
  ENCRYPT: 3,
  /** Fields: mechanism, label, version, IV, associated data, the answer of ENCRYPT. Answer: the plaintext. */
  DECRYPT: 4,
  DONE: 5,
  /** JSON: { kind, detail } of a TokenFault, or { kind: "call", call, rv } of a function of the module. */
  FAILED: 6,
  STARTED: 7,
  /** Fields: the PIN; "1" if a login with it failed before. Answer: JSON with the facts about the module and the token. */
  LOGIN: 8,
});

/** What a token does with a key: encrypts, or wraps a data key that encrypts (key-wrap.mjs). */
export const MECHANISMS = /** @type {const} */ (["aes-gcm", "aes-kw"]);
/** @typedef {(typeof MECHANISMS)[number]} Mechanism */

/**
 * The bytes that ENCRYPT adds to a plaintext: the tag; with aes-kw the wrapped data key before it, too.
 * @param {Mechanism} mechanism
 */
export function overheadOf(mechanism) {
  return mechanism === "aes-gcm" ? 16 : 40 + 16;
}

/** The largest payload of a frame in either direction, in bytes: the paths and the environment of OPEN. */
export const MAX_PAYLOAD = 32_768;
/** The largest plaintext and the largest associated data, in bytes. The seed of an API server is 32 (docs/ABI.md, section 4). */
export const MAX_DATA = 4_096;

/**
 * Joins fields: u32 length (big-endian), bytes; for each.
 * @param {readonly Uint8Array[]} fields
 * @returns {Buffer}
 */
export function joinFields(fields) {
  return Buffer.concat(
    fields.flatMap((field) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(field.length);
      return [length, field];
    }),
  );
}

/**
 * @param {Buffer} payload
 * @returns {Buffer[]} views of the payload
 * @throws {RangeError} a field is cut short
 */
export function splitFields(payload) {
  const fields = [];
  for (let at = 0; at < payload.length; ) {
    const start = at + 4;
    const end = start + payload.readUInt32BE(at);
    if (end > payload.length) throw new RangeError("a field is cut short");
    fields.push(payload.subarray(start, end));
    at = end;
  }
  return fields;
}
