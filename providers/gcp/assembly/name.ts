/** The name of a key from its settings, and the versions of it: `3.9f2c5d0a11e3b478` is version 3 of the key whose name has this hash. */
import {
  crypto,
  decimal,
  FailureCode,
  parseDecimal,
  Setting,
  trouble,
} from "../../../sdk/assemblyscript/assembly";

/** Names of KMS: four kinds, each before its name. */
const KINDS = ["projects", "locations", "keyRings", "cryptoKeys"];
const MAX_NAME = 300;
const FORM = "projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY";

export class KeyName {
  /** The fault in the settings with its remedy; "" if there is none. */
  fault: string = "";

  /** `text`: the resource name of the CryptoKey. */
  constructor(public text: string) {}

  /** The resource name of a version. */
  versionName(number: u32): string {
    return this.text + "/cryptoKeyVersions/" + decimal(number);
  }

  /** The name after one of the kinds, counted from 0. */
  part(kind: i32): string {
    return segment(this.text, kind * 2 + 1);
  }

  /** For a message: the host logs 512 bytes, and the whole name can be 250. */
  toString(): string {
    return `"${this.part(3)}"`;
  }

  /** The options that name the key's place in a command of gcloud. */
  get options(): string {
    return `--keyring=${this.part(2)} --location=${this.part(1)} --project=${this.part(0)}`;
  }

  /** The text of a version, which no other version of any key has. KMS never gives a name again. "": a trouble was noted. */
  versionText(number: u32): string {
    const hash = crypto.shortHash(this.text);
    return hash.length === 0 ? "" : decimal(number) + "." + hash;
  }

  /** Returns the number in a version that Status named for this key; 0: a trouble was noted. */
  numberOf(version: string): u32 {
    const hash = crypto.shortHash(this.text);
    if (hash.length === 0) return 0;
    const dot = version.indexOf(".");
    const number = parseDecimal(version.slice(0, max(dot, 0)));
    if (number > 0 && version.slice(dot + 1) === hash) return number;
    trouble(
      FailureCode.KEY_UNUSABLE,
      `Cannot use the key ${this.toString()}: the version ${version} is of another key; undo the change of the setting "key", or add another key for the other one to the configuration`,
    );
    return 0;
  }
}

/** Reads the settings of a key. Strict: a typo is reported here, before a request. */
export function nameOf(settings: Setting[]): KeyName {
  const name = new KeyName("");
  for (let i = 0; i < settings.length; i++) {
    if (settings[i].name === "key") name.text = settings[i].value;
    else name.fault = `the setting "${settings[i].name}" is not known; there is only "key"`;
  }
  if (name.fault.length > 0 || isName(name.text)) return name;
  name.fault =
    name.text.length === 0
      ? `the setting "key" is missing; write ${FORM}`
      : `the setting "key" is "${name.text.slice(0, 200)}"; write ${FORM}, without a version`;
  return name;
}

function isName(text: string): bool {
  if (text.length > MAX_NAME) return false;
  for (let kind = 0; kind < KINDS.length; kind++) {
    if (segment(text, kind * 2) !== KINDS[kind] || !isWord(segment(text, kind * 2 + 1))) return false;
  }
  return segment(text, KINDS.length * 2).length === 0 && !text.endsWith("/");
}

/** Returns a part between slashes, counted from 0; "" if there are fewer. */
function segment(text: string, index: i32): string {
  let start = 0;
  for (let i = 0; i < index; i++) {
    start = text.indexOf("/", start) + 1;
    if (start === 0) return "";
  }
  const end = text.indexOf("/", start);
  return end < 0 ? text.slice(start) : text.slice(start, end);
}

/** Letters, digits, - and _; in the project of a domain also . and : (example.com:project). */
function isWord(text: string): bool {
  if (text.length === 0 || text.charCodeAt(0) === 46) return false;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i);
    const lower = letter | 0x20;
    const word = (letter >= 48 && letter <= 57) || (lower >= 97 && lower <= 122);
    if (!word && letter !== 45 && letter !== 46 && letter !== 58 && letter !== 95) return false;
  }
  return true;
}
