/**
 * The names of a key: the one in its settings, and the version that Status reports. A version is the key's ARN. Of a multi-Region key it is the
 * ARN without the Region, so that all its replicas have the same version.
 */
import { Setting } from "../../../sdk/assemblyscript/assembly";
import { foreignContextOf } from "./foreign";

/** KMS has shorter names. */
const MAX_NAME = 300;
/** Limit of the contract (docs/ABI.md, section 4). */
const MAX_VERSION = 128;
const PREFIX = "arn:";

export class KeyName {
  /** As KMS takes it: the ARN of a key or an alias, `alias/NAME`, or the id of a key. */
  text: string;
  /** The encryption context of a key for objects of another plugin, as JSON. */
  context: string = "{}";
  /** The fault in the settings with its remedy; "" if there is none. */
  fault: string = "";

  constructor(key: string) {
    this.text = "alias/" + key;
  }

  /** True for an alias: KMS decides the key that it leads to. */
  get isAlias(): bool {
    return this.text.startsWith("alias/") || partOf(this.text, 5).startsWith("alias/");
  }

  toString(): string {
    return `"${this.text}"`;
  }

  /** True if a version can be of this name: its key is the one that the settings name. */
  fits(version: string): bool {
    if (this.isAlias) return true;
    if (this.text.startsWith(PREFIX)) return versionOf(this.text) === version;
    return version.endsWith(":key/" + this.text);
  }

  /**
   * The KeyId of a request for a version: its ARN. Of a multi-Region key the Region is the setting's; where the settings have no ARN, the key is
   * in the account of the host, and its id suffices.
   */
  keyIdFor(version: string): string {
    if (!isWithoutRegion(version)) return version;
    const region = this.text.startsWith(PREFIX) ? partOf(this.text, 3) : "";
    if (region.length === 0) return version.slice(version.indexOf("/") + 1);
    return version.replace(":kms::", ":kms:" + region + ":");
  }
}

/**
 * Reads the settings of a key. Strict: a typo is reported here, before a request.
 * @param isForeign whether the key is for objects of another plugin, which has a setting more
 */
export function nameOf(key: string, settings: Setting[], isForeign: bool = false): KeyName {
  const name = new KeyName(key);
  const known = isForeign ? '"key" and "context"' : 'only "key"';
  for (let i = 0; i < settings.length; i++) {
    const setting = settings[i];
    if (setting.name === "key") name.text = setting.value;
    else if (isForeign && setting.name === "context") readContext(name, setting.value);
    else name.fault = `the setting "${setting.name}" is not known; there is ${known}`;
  }
  if (name.fault.length === 0 && !isName(name.text)) {
    name.fault = `the setting "key" is ${name.toString()}; write the ARN of a key (arn:aws:kms:REGION:ACCOUNT:key/ID), or alias/NAME`;
  }
  return name;
}

function readContext(name: KeyName, pairs: string): void {
  name.context = foreignContextOf(pairs);
  if (name.context.length > 0) return;
  name.fault = `the setting "context" is "${pairs}"; write the plugin's option as NAME=VALUE, with commas between several, without quotes and brackets`;
}

/** Returns the version for the ARN of a key; "" if it is not one. */
export function versionOf(arn: string): string {
  if (arn.length > MAX_VERSION || !isName(arn) || !arn.startsWith(PREFIX)) return "";
  const resource = partOf(arn, 5);
  if (partOf(arn, 2) !== "kms" || !resource.startsWith("key/") || resource.length < 5) return "";
  if (partOf(arn, 3).length === 0 || partOf(arn, 4).length === 0) return "";
  if (!resource.startsWith("key/mrk-")) return arn;
  return `arn:${partOf(arn, 1)}:kms::${partOf(arn, 4)}:${resource}`;
}

function isWithoutRegion(version: string): bool {
  return partOf(version, 3).length === 0;
}

/** Returns a part of an ARN, counted from 0; "" if it has fewer. */
function partOf(arn: string, index: i32): string {
  let start = 0;
  for (let i = 0; i < index; i++) {
    start = arn.indexOf(":", start) + 1;
    if (start === 0) return "";
  }
  const end = arn.indexOf(":", start);
  return end < 0 ? arn.slice(start) : arn.slice(start, end);
}

/** Characters that a name or an ARN of KMS has. */
function isName(text: string): bool {
  if (text.length < 1 || text.length > MAX_NAME) return false;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i);
    const lower = letter | 0x20;
    const word = (letter >= 48 && letter <= 57) || (lower >= 97 && lower <= 122);
    // - / : _
    if (!word && letter !== 45 && letter !== 47 && letter !== 58 && letter !== 95) return false;
  }
  return true;
}
