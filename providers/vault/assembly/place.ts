/** The location of a key in the server: namespace, mount and name, from the key's settings. */
import { Setting } from "../../../sdk/assemblyscript/assembly";

export class Place {
  namespace: string = "";
  mount: string = "transit";
  /** The fault in the settings with its remedy; "" if there is none. */
  fault: string = "";

  constructor(public key: string) {}

  /** The path of a request: `operation` is "keys", "encrypt" or "decrypt". A namespace is a prefix of the path, in every server. */
  path(operation: string): string {
    const prefix = this.namespace.length > 0 ? this.namespace + "/" : "";
    return "/v1/" + prefix + this.inPolicy(operation);
  }

  /** The path for a policy: without the namespace, which contains the policy. */
  inPolicy(operation: string): string {
    return this.mount + "/" + operation + "/" + this.key;
  }

  /** The key's name for a message. */
  toString(): string {
    const where = this.namespace.length > 0 ? ` in the namespace "${this.namespace}"` : "";
    return `"${this.inPolicy("keys")}"${where}`;
  }
}

/** Strict, so that each place has one spelling, and a typo is reported here and not by a denial that voids the call. */
export function placeOf(key: string, settings: Setting[]): Place {
  const place = new Place(key);
  for (let i = 0; i < settings.length; i++) {
    const name = settings[i].name;
    const value = settings[i].value;
    if (name === "key") place.key = value;
    else if (name === "mount" || name === "namespace") {
      if (!isPath(value)) {
        place.fault = `the setting "${name}" is "${value}"; write a path without slashes at its ends, such as "kms/transit", of letters, digits and -._~`;
      }
      if (name === "mount") place.mount = value;
      else place.namespace = value;
    } else place.fault = `the setting "${name}" is not known; there are "key", "mount" and "namespace"`;
  }
  if (place.fault.length === 0 && !isKeyName(place.key)) {
    place.fault = `"${place.key}" cannot be the name of a Transit key: letters, digits and _ are allowed, inside also - and .; name it with the setting "key"`;
  }
  return place;
}

/** Segments between single slashes, none "." or "..", of characters that a path of kleidi:net may have unescaped. */
function isPath(text: string): bool {
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    // The end is a slash too.
    const letter = i < text.length ? text.charCodeAt(i) : 47;
    if (letter === 47) {
      const segment = text.slice(start, i);
      if (segment.length === 0 || segment === "." || segment === "..") return false;
      start = i + 1;
    } else if (!isWord(letter) && letter !== 45 && letter !== 46 && letter !== 126) return false;
  }
  return true;
}

/** A name that Transit accepts in its paths: word characters, inside also - and . */
function isKeyName(text: string): bool {
  const last = text.length - 1;
  if (last < 0 || !isWord(text.charCodeAt(0)) || !isWord(text.charCodeAt(last))) return false;
  for (let i = 1; i < last; i++) {
    const letter = text.charCodeAt(i);
    if (!isWord(letter) && letter !== 45 && letter !== 46) return false;
  }
  return true;
}

function isWord(letter: i32): bool {
  const lower = letter | 0x20;
  return (letter >= 48 && letter <= 57) || (lower >= 97 && lower <= 122) || letter === 95;
}
