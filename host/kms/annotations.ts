/**
 * Annotations lie beside the ciphertext in etcd, in the clear. The host adds one of its own, which says in which format the
 * object was written; a guest's are checked as the API server would.
 */
import { KleidiError } from "../error.ts";
import { MAX_ANNOTATION_NAME, MAX_GUEST_ANNOTATIONS } from "./limits.ts";

export interface Annotation {
  readonly name: string;
  readonly value: Uint8Array;
}

/** The host's own annotation; names at or under kleidi.dev are closed to guests. */
export const FORMAT_NAME = "format.kleidi.dev";
const FORMAT_VALUE = new TextEncoder().encode("1");
const HOST_DOMAIN = /(^|\.)kleidi\.dev$/;
// RFC 1123 labels, two or more: what the API server's validation asks for.
const LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
const DOMAIN_NAME = new RegExp(`^${LABEL}(\\.${LABEL})+$`);

/**
 * Says what is wrong with a guest's annotations, or nothing.
 * The text names no annotation: a name could carry what it should not.
 */
export function annotationsFault(annotations: readonly Annotation[]): string | undefined {
  const names = new Set<string>();
  let size = 0;
  for (const { name, value } of annotations) {
    if (name.length > MAX_ANNOTATION_NAME || !DOMAIN_NAME.test(name)) {
      return "an annotation's name is not a domain name of two labels or more";
    }
    if (HOST_DOMAIN.test(name)) return "an annotation's name is at or under kleidi.dev, which is the host's";
    if (names.has(name)) return "an annotation is there twice";
    names.add(name);
    size += name.length + value.length;
  }
  if (size > MAX_GUEST_ANNOTATIONS) {
    return `its annotations are ${size} bytes, at most ${MAX_GUEST_ANNOTATIONS} are allowed`;
  }
  return undefined;
}

/** The guest's annotations and the host's own, as they go to the API server. */
export function withFormat(annotations: readonly Annotation[]): Record<string, Uint8Array> {
  const all: Record<string, Uint8Array> = { [FORMAT_NAME]: FORMAT_VALUE };
  for (const { name, value } of annotations) all[name] = value;
  return all;
}

/**
 * Takes the host's annotation off what the API server sends back, and gives the guest's.
 * @throws KleidiError annotations-invalid
 */
export function withoutFormat(annotations: Readonly<Record<string, Uint8Array>>): Annotation[] {
  const format = Object.hasOwn(annotations, FORMAT_NAME) ? annotations[FORMAT_NAME] : undefined;
  if (format?.length !== 1 || format[0] !== FORMAT_VALUE[0]) {
    const actual = format === undefined ? "missing" : "another value";
    throw new KleidiError(
      "annotations-invalid",
      `Cannot decrypt: the annotation ${FORMAT_NAME} should be "1", it is ${actual}`,
    );
  }
  const guest = Object.entries(annotations)
    .filter(([name]) => name !== FORMAT_NAME)
    .map(([name, value]) => ({ name, value }));
  const fault = annotationsFault(guest);
  if (fault !== undefined) throw new KleidiError("annotations-invalid", `Cannot decrypt: ${fault}`);
  return guest;
}
