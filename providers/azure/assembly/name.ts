/**
 * The name of a key from its settings, and its versions: `rsa.0123…` is the version with this id, of a key that wraps by RSA-OAEP-256. An id of 32
 * hexadecimal digits is random, and no other version of any key has it.
 */
import { FailureCode, Setting, trouble } from "../../../sdk/assemblyscript/assembly";

const MAX_NAME = 127;
const ID = 32;

export class KeyName {
  /** The fault in the settings with its remedy; "" if there is none. */
  fault: string = "";
  apiVersion: string = "7.4";

  constructor(public text: string) {}

  /** A path under that of the key, with its query: "" is the key itself. */
  path(rest: string, query: string = ""): string {
    return "/keys/" + this.text + rest + "?api-version=" + this.apiVersion + query;
  }

  toString(): string {
    return `"${this.text}"`;
  }

  /** Returns the id of a version in the URL that names it (`kid`); "" if it is not one of this key. */
  idIn(kid: string): string {
    const before = "/keys/" + this.text + "/";
    const at = kid.indexOf(before);
    if (!kid.startsWith("https://") || at < 0) return "";
    const id = kid.slice(at + before.length);
    return isId(id) ? id : "";
  }
}

/** A version that Status named. */
export class Version {
  constructor(
    /** "rsa" or "aes". */
    public kind: string,
    public id: string,
  ) {}

  /** The algorithm that the key wraps by. */
  get algorithm(): string {
    return this.kind === "rsa" ? "RSA-OAEP-256" : "A256KW";
  }
}

/** Null: a trouble was noted. */
export function versionOf(text: string, name: KeyName): Version | null {
  const version = new Version(text.slice(0, 3), text.slice(4));
  if ((version.kind === "rsa" || version.kind === "aes") && text.charCodeAt(3) === 46 && isId(version.id)) {
    return version;
  }
  trouble(
    FailureCode.KEY_UNUSABLE,
    `Cannot use the key ${name.toString()}: "${text}" is not a version of this provider`,
  );
  return null;
}

/** Reads the settings of a key. Strict: a typo is reported here, before a request. */
export function nameOf(key: string, settings: Setting[]): KeyName {
  const name = new KeyName(key);
  for (let i = 0; i < settings.length; i++) {
    const value = settings[i].value;
    if (settings[i].name === "key") name.text = value;
    else if (settings[i].name === "apiVersion") name.apiVersion = value;
    else name.fault = `the setting "${settings[i].name}" is not known; there are "key" and "apiVersion"`;
  }
  if (name.fault.length > 0) return name;
  if (!isWord(name.text, MAX_NAME, false)) {
    name.fault = `"${name.text.slice(0, 128)}" cannot be the name of a key in a vault: 1 to 127 letters, digits and - are allowed; name it with the setting "key"`;
  } else if (!isWord(name.apiVersion, 32, true)) {
    name.fault = `the setting "apiVersion" is "${name.apiVersion.slice(0, 64)}"; write one such as 7.4`;
  }
  return name;
}

function isWord(text: string, most: i32, dots: bool): bool {
  if (text.length < 1 || text.length > most) return false;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i);
    const lower = letter | 0x20;
    const word = (letter >= 48 && letter <= 57) || (lower >= 97 && lower <= 122) || letter === 45;
    if (!word && !(dots && letter === 46)) return false;
  }
  return true;
}

function isId(text: string): bool {
  if (text.length !== ID) return false;
  for (let i = 0; i < ID; i++) {
    const letter = text.charCodeAt(i);
    if (!((letter >= 48 && letter <= 57) || (letter >= 97 && letter <= 102))) return false;
  }
  return true;
}
