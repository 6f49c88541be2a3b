/**
 * etcd stores annotations in clear text beside the ciphertext. The host adds one that names the object's format; it checks a guest's
 * annotations as the API server would.
 */
import { KleidiError } from "../error.ts";
import { MAX_ANNOTATION_NAME, MAX_GUEST_ANNOTATIONS } from "./limits.ts";

export interface Annotation {
  readonly name: string;
  readonly value: Uint8Array;
}

/** The host's annotation. Guests cannot use names at or under kleidi.dev. */
export const FORMAT_NAME = "format.kleidi.dev";
const FORMAT_VALUE = new TextEncoder().encode("1");
const HOST_DOMAIN = /(^|\.)kleidi\.dev$/;
// RFC 1123: at least two labels, as the API server's validation requires.
const LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
const DOMAIN_NAME = new RegExp(`^${LABEL}(\\.${LABEL})+$`);

/**
 * Checks a guest's annotations.
 * @returns the fault as the second half of a sentence; undefined if there is none. It quotes no name: a name could contain a secret.
 * @example annotationsFault([{ name: "one", value: new Uint8Array() }]) // "an annotation's name is not a domain name of …"
 */
export function annotationsFault(annotations: readonly Annotation[]): string | undefined {
  const names = new Set<string>();
  let size = 0;
  for (const { name, value } of annotations) {
    if (!isDomainName(name)) {
      return "an annotation's name is not a domain name of at least two labels";
    }
    if (HOST_DOMAIN.test(name))
      return "an annotation's name is at or under kleidi.dev, which is reserved for the host";
    if (names.has(name)) return "an annotation is listed twice";
    names.add(name);
    size += name.length + value.length;
  }
  if (size > MAX_GUEST_ANNOTATIONS) {
    return `its annotations are ${size} bytes, at most ${MAX_GUEST_ANNOTATIONS} are allowed`;
  }
  return undefined;
}

/** @returns true for a domain name of two labels or more, as the API server demands of an annotation's name */
export function isDomainName(name: string): boolean {
  return name.length <= MAX_ANNOTATION_NAME && DOMAIN_NAME.test(name);
}

/** @returns the value of the annotation format.kleidi.dev as text; undefined: it is missing, or longer than any that is known */
export function formatOf(annotations: Readonly<Record<string, Uint8Array>>): string | undefined {
  const format = Object.hasOwn(annotations, FORMAT_NAME) ? annotations[FORMAT_NAME] : undefined;
  return format?.length === 1 ? String.fromCharCode(format[0] ?? 0) : undefined;
}

/** @returns the guest's annotations and the host's own, as the API server gets them */
export function withFormat(annotations: readonly Annotation[]): Record<string, Uint8Array> {
  const all: Record<string, Uint8Array> = { [FORMAT_NAME]: FORMAT_VALUE };
  for (const { name, value } of annotations) all[name] = value;
  return all;
}

/**
 * Checks and removes the host's annotation.
 * @param annotations as the API server sends them
 * @returns the guest's annotations
 * @throws KleidiError annotations-invalid
 */
export function withoutFormat(annotations: Readonly<Record<string, Uint8Array>>): Annotation[] {
  const format = Object.hasOwn(annotations, FORMAT_NAME) ? annotations[FORMAT_NAME] : undefined;
  if (format?.length !== 1 || format[0] !== FORMAT_VALUE[0]) {
    const actual = format === undefined ? "is missing" : "has another value";
    throw new KleidiError(
      "annotations-invalid",
      `Cannot decrypt: the annotation ${FORMAT_NAME} must be "1" or "2", it ${actual}`,
    );
  }
  const guest = Object.entries(annotations)
    .filter(([name]) => name !== FORMAT_NAME)
    .map(([name, value]) => ({ name, value }));
  const fault = annotationsFault(guest);
  if (fault !== undefined) throw new KleidiError("annotations-invalid", `Cannot decrypt: ${fault}`);
  return guest;
}
