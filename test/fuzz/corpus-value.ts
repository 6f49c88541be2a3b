/** Inputs of properties as JSON, and back: bytes, and values that JSON cannot express, are objects with one key that begins with "$". */

/** @throws TypeError for a value without a JSON form, such as a function */
export function toJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("hex") };
  if (typeof value === "bigint") return { $bigint: `${value}` };
  if (value === undefined || Object.is(value, -0) || (typeof value === "number" && !Number.isFinite(value))) {
    return { $is: Object.is(value, -0) ? "-0" : `${value}` };
  }
  if (value === null || ["string", "number", "boolean"].includes(typeof value)) return value;
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || ![Object.prototype, null].includes(Object.getPrototypeOf(value))) {
    throw new TypeError("the value is neither plain data nor bytes");
  }
  const entries = Object.entries(value).map(([key, part]) => [key, toJson(part)] as const);
  return entries.some(([key]) => key.startsWith("$")) ? { $object: entries } : Object.fromEntries(entries);
}

const WORDS: Readonly<Record<string, unknown>> = {
  undefined,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
  "-0": -0,
};

export function fromJson(json: unknown): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map(fromJson);
  const { $bytes, $bigint, $is, $object } = json as Record<string, unknown>;
  if (typeof $bytes === "string") return Uint8Array.from(Buffer.from($bytes, "hex"));
  if (typeof $bigint === "string") return BigInt($bigint);
  if (typeof $is === "string") return WORDS[$is];
  const entries = ($object as [string, unknown][] | undefined) ?? Object.entries(json);
  return Object.fromEntries(entries.map(([key, part]) => [key, fromJson(part)]));
}
