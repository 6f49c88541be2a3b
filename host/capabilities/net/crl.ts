/** Reads the times of a revocation list (RFC 5280, 5.1.2). OpenSSL verifies the list; the times are needed for a warning before its end. */

export interface RevocationTimes {
  /** In milliseconds since 1970, as `nextUpdate`. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
}

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
}

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

/**
 * Reads the times of a list.
 * @param pem one list, with its boundaries
 * @returns undefined if the list does not expire, or cannot be read
 */
export function revocationTimes(pem: string): RevocationTimes | undefined {
  const [list] = elementsOf(Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64"));
  const [signed] = elementsOf(list?.content ?? new Uint8Array());
  // The other fields of a list are nested in sequences.
  const times = elementsOf(signed?.content ?? new Uint8Array())
    .filter(({ tag }) => tag === UTC_TIME || tag === GENERALIZED_TIME)
    .map(timeOf);
  const [thisUpdate = Number.NaN, nextUpdate = Number.NaN] = times;
  return Number.isNaN(thisUpdate) || Number.isNaN(nextUpdate) ? undefined : { thisUpdate, nextUpdate };
}

/** The elements of a sequence in DER (X.690, 8.1), up to the first malformed one. */
function elementsOf(bytes: Uint8Array): Element[] {
  const elements: Element[] = [];
  for (let at = 0; at + 2 <= bytes.length; ) {
    const [tag = 0, first = 0] = bytes.subarray(at, at + 2);
    const more = first < 0x80 ? 0 : first & 0x7f;
    const begin = at + 2 + more;
    if (more > 4 || begin > bytes.length) break;
    const length =
      more === 0 ? first : bytes.subarray(at + 2, begin).reduce((sum, each) => sum * 256 + each, 0);
    if (begin + length > bytes.length) break;
    elements.push({ tag, content: bytes.subarray(begin, begin + length) });
    at = begin + length;
  }
  return elements;
}

const TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;

/** NaN if it is malformed. A year of two digits from 50 on is in the last century (RFC 5280, 4.1.2.5.1). */
function timeOf({ tag, content }: Element): number {
  const text = Buffer.from(content).toString("latin1");
  const century = tag === GENERALIZED_TIME ? "" : text < "5" ? "20" : "19";
  const [, year, month, day, hour, minute, second] = TIME.exec(`${century}${text}`) ?? [];
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
