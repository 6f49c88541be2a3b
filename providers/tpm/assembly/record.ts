/**
 * The state record of a key: a text for people and TPM tools.
 *
 *     kleidi tpm key 1
 *     scheme: hmac
 *     version: 32 hexadecimal digits, the version that Status reports
 *     primary: Name of the storage primary that wraps the key
 *     auth: the key's auth value
 *     pcrs: sha256 0, 7; with a policy: the PCRs that were read back from the TPM when the key was created
 *     -----BEGIN TSS2 PRIVATE KEY-----
 *
 * PEM readers skip the lines before BEGIN, so `tpm2_load -r` reads the record as it is. It is useless without this TPM; with the TPM, it is the key's
 * password: hence 0600, like the host's other secrets.
 */
import { FailureCode, state, utf8 } from "../../../sdk/assemblyscript/assembly";
import { listOf } from "./pcrs";
import { readPem, Wrapped, writePem } from "./pem";
import { parseScheme, Scheme } from "./scheme";
import { hex, unhex } from "./text";
import { trouble } from "./trouble";

const FIRST = "kleidi tpm key 1\n";

export class Record {
  constructor(
    public scheme: Scheme,
    public keyId: Uint8Array,
    public primary: Uint8Array,
    public auth: Uint8Array,
    public key: Wrapped,
  ) {}

  encode(): Uint8Array {
    const head = `${FIRST}scheme: ${this.scheme.text}\nversion: ${hex(this.keyId)}\n`;
    const secrets = `primary: ${hex(this.primary)}\nauth: ${hex(this.auth)}\n`;
    const scheme = this.scheme;
    const pcrs = scheme.hasPolicy ? `pcrs: ${scheme.bankName} ${listOf(scheme.bits)}\n` : "";
    return utf8(head + secrets + pcrs + writePem(this.key));
  }
}

/** Reads the record of a key; null if a trouble was noted. */
export function readRecord(name: string): Record | null {
  const found = state.get(name);
  if (found.ok) {
    const record = decode(String.UTF8.decodeUnsafe(found.body.dataStart, found.body.length));
    const message = `Cannot use the key "${name}": its state record is damaged; restore it from a backup, or import the key's escrowed bytes: kleidi key init --import FILE`;
    if (record === null) trouble(FailureCode.KEY_UNUSABLE, message);
    return record;
  }
  if (found.code === 3) {
    trouble(
      FailureCode.KEY_UNUSABLE,
      `Cannot use the key "${name}": it has no state record; create it with: kleidi key init`,
    );
  } else {
    trouble(FailureCode.FAULT, `Cannot read the state record of "${name}": "${found.message}"`);
  }
  return null;
}

function decode(text: string): Record | null {
  if (!text.startsWith(FIRST)) return null;
  const scheme = parseScheme(line(text, "scheme"));
  const keyId = unhex(line(text, "version"));
  const primary = unhex(line(text, "primary"));
  const auth = unhex(line(text, "auth"));
  const key = readPem(text);
  if (scheme === null || keyId === null || primary === null || auth === null || key === null) return null;
  if (keyId.length !== 16 || primary.length !== 34 || auth.length !== 32) return null;
  return new Record(scheme, keyId, primary, auth, key);
}

/** Returns the value of the line `name: `; "" if there is no such line. */
function line(text: string, name: string): string {
  const start = text.indexOf(`\n${name}: `);
  if (start < 0) return "";
  const value = start + name.length + 3;
  return text.slice(value, text.indexOf("\n", value));
}
