/** Valid bytes, changed in a few places: input that is mostly valid passes the first checks. */
import fc from "fast-check";

/** `at` is the position as a fraction of the length. */
export type Change =
  | { readonly kind: "set"; readonly at: number; readonly byte: number }
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "delete"; readonly at: number; readonly count: number }
  | { readonly kind: "repeat"; readonly at: number; readonly count: number }
  | { readonly kind: "cut"; readonly at: number };

// Most doubles of fast-check are close to 0 or to 1.
const at = fc.nat({ max: 999_999 }).map((millionths) => millionths / 1_000_000);
/** Ends of ranges, unfinished LEB128, and the first bytes of types and sections. */
const byte = fc.oneof(fc.constantFrom(0, 1, 2, 5, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 }));
export const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("set" as const), at, byte }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("flip" as const), at, bit: fc.integer({ min: 0, max: 7 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("insert" as const),
      at,
      bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("delete" as const), at, count: fc.integer({ min: 1, max: 8 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("repeat" as const),
      at,
      count: fc.integer({ min: 1, max: 64 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cut" as const), at }) },
);

/** Makes up to `max` changes to a value of `source`. */
export function mutated(source: fc.Arbitrary<Uint8Array>, max = 6): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(source, fc.array(change, { maxLength: max }))
    .map(([bytes, changes]) => changes.reduce(changedBytes, bytes));
}

export function changedBytes(bytes: Uint8Array, change: Change): Uint8Array {
  const at = Math.floor(change.at * bytes.length);
  const before = bytes.subarray(0, at);
  if (change.kind === "cut") return before;
  if (change.kind === "insert") return Buffer.concat([before, change.bytes, bytes.subarray(at)]);
  if (change.kind === "delete") return Buffer.concat([before, bytes.subarray(at + change.count)]);
  if (change.kind === "repeat") {
    return Buffer.concat([before, bytes.subarray(at, at + change.count), bytes.subarray(at)]);
  }
  const copy = Uint8Array.from(bytes);
  copy[at] = change.kind === "set" ? change.byte : (copy[at] ?? 0) ^ (1 << change.bit);
  return copy;
}
