/**
 * The wraps of a composed object, in annotations of the host: wrap-1.kleidi.dev is by the first member that the header names. A guest cannot
 * use these names. Each wrap is an annotation of its own, so that damage to one does not reach another.
 */
import { KleidiError } from "../../error.ts";
import { type Annotation, annotationsFault, FORMAT_NAME } from "../annotations.ts";
import { MAX_ANNOTATIONS, MAX_CIPHERTEXT } from "../limits.ts";
import { joined, Malformed, Reader, u8, u16 } from "./bytes.ts";

/** A share as a member encrypted it. */
export interface Wrap {
  readonly ciphertext: Uint8Array;
  readonly annotations: readonly Annotation[];
}

/** The value of the annotation format.kleidi.dev. */
export const COMPOSED_FORMAT = "2";

/** @param index of the key_id in the header, from 0 */
export function wrapName(index: number): string {
  return `wrap-${index + 1}.kleidi.dev`;
}

export function encodeWrap({ ciphertext, annotations }: Wrap): Uint8Array<ArrayBuffer> {
  return joined([
    u16(ciphertext.length),
    ciphertext,
    u16(annotations.length),
    ...annotations.flatMap(({ name, value }) => {
      const text = new TextEncoder().encode(name);
      return [u8(text.length), text, u16(value.length), value];
    }),
  ]);
}

/** @throws Malformed */
export function decodeWrap(bytes: Uint8Array): Wrap {
  const reader = new Reader(bytes);
  const ciphertext = reader.take(reader.u16());
  if (ciphertext.length === 0 || ciphertext.length > MAX_CIPHERTEXT)
    throw new Malformed("the length of its ciphertext is invalid");
  const annotations: Annotation[] = [];
  for (let left = reader.u16(); left > 0; left--) {
    const name = new TextDecoder("latin1").decode(reader.take(reader.u8()));
    annotations.push({ name, value: reader.take(reader.u16()) });
  }
  reader.end();
  const fault = annotationsFault(annotations);
  if (fault !== undefined) throw new Malformed(fault);
  return { ciphertext, annotations };
}

/**
 * @param values the encoded wraps, in the order of the header
 * @returns the annotations of the object, as the API server gets them
 * @throws KleidiError provider-fault, the API server would refuse them
 */
export function annotationsOf(values: readonly Uint8Array[]): Record<string, Uint8Array> {
  const all: Record<string, Uint8Array> = { [FORMAT_NAME]: new TextEncoder().encode(COMPOSED_FORMAT) };
  for (const [index, value] of values.entries()) all[wrapName(index)] = value;
  const size = Object.entries(all).reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (size <= MAX_ANNOTATIONS) return all;
  const each = values.map(({ length }) => length).join(" and ");
  throw new KleidiError(
    "provider-fault/wraps",
    `Cannot encrypt with a composed key: its annotations are ${size} bytes, at most ${MAX_ANNOTATIONS} are allowed; the wraps of its members are ${each} bytes`,
  );
}

/**
 * @param count the number of key_ids in the header
 * @returns the encoded wraps in the order of the header; undefined for one that is missing
 * @throws KleidiError annotations-invalid: another annotation is there
 */
export function wrapsIn(
  annotations: Readonly<Record<string, Uint8Array>>,
  count: number,
): (Uint8Array | undefined)[] {
  const names = Array.from({ length: count }, (_, index) => wrapName(index));
  const isKnown = (name: string) => name === FORMAT_NAME || names.includes(name);
  if (!Object.keys(annotations).every(isKnown))
    throw new KleidiError(
      "annotations-invalid",
      `Cannot decrypt: the object of a composed key has another annotation than ${FORMAT_NAME} and its ${count} wraps`,
    );
  return names.map((name) => (Object.hasOwn(annotations, name) ? annotations[name] : undefined));
}
