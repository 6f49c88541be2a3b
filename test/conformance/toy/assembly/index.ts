/**
 * A good provider of a toy KMS, and all of its mutants: one byte of the module's data selects the mutant (mutants.ts), 255 the good one.
 * Ciphertext: 01, then the bytes of the KMS. The annotation `salt.toy.example` has 16 random bytes, which are bound with the associated data.
 */
import {
  Annotation,
  base64,
  concat,
  crypto,
  DecryptReply,
  DecryptRequest,
  decimal,
  EncryptReply,
  EncryptRequest,
  FailureCode,
  fail,
  failFrom,
  HostCode,
  HostReply,
  JsonObject,
  JsonValue,
  json,
  log,
  NetHeader,
  net,
  refuse,
  Setting,
  StatusReply,
  StatusRequest,
  utf8,
} from "../../../../sdk/assemblyscript/assembly";
import { readInput, writeOutput } from "../../../../sdk/assemblyscript/assembly/extism";

/** The text is searched for by mutants.ts; the last byte is the mutant's number. */
const SWITCH: usize = memory.data<u8>([
  0x6b, 0x6c, 0x65, 0x69, 0x64, 0x69, 0x20, 0x6d, 0x75, 0x74, 0x61, 0x6e, 0x74, 0x20, 0x23, 0xff,
]);

function mutant(number: u8): bool {
  return load<u8>(SWITCH + 15) === number;
}

const FORMAT: u8 = 1;
const SALT = 16;
/** Bytes of a ciphertext of the KMS. */
const TOKEN = 60;
const ANNOTATION = "salt.toy.example";
const OWN_KEY = new Uint8Array(32);

let code: FailureCode = FailureCode.FAULT;
let text: string = "";
/** For the mutants that remember, or that write where they must not. */
let remembered: Uint8Array = new Uint8Array(0);

function trouble(failure: FailureCode, message: string): void {
  code = failure;
  text = message;
  if (mutant(40)) text += base64.encode(remembered);
}

function failed<T>(): T {
  return fail<T>(code, text);
}

export function kleidi_status(): i32 {
  const input = readInput();
  let request = StatusRequest.decode(input);
  if (request == null && mutant(59)) {
    request = new StatusRequest();
    request.key = "one";
  }
  if (request == null) return send(failure<StatusReply>("the request is malformed").encode());
  if (mutant(30) && hasUnknown(input)) return send(failure<StatusReply>("unknown field").encode());
  if (isRefusedForm(input)) return send(failure<StatusReply>("an encoding that is refused").encode());
  if (mutant(64) && request.key.length > 0 && request.key.charCodeAt(0) > 127) unreachable();
  return send(status(request).encode());
}

export function kleidi_encrypt(): i32 {
  let input = readInput();
  let request = EncryptRequest.decode(input);
  while (request == null && mutant(15) && input.length > 0) {
    input = input.slice(0, input.length - 1);
    request = EncryptRequest.decode(input);
  }
  if (request == null) return send(failure<EncryptReply>("the request is malformed").encode());
  return send(encrypt(request).encode());
}

export function kleidi_decrypt(): i32 {
  let input = readInput();
  let request = DecryptRequest.decode(input);
  while (request == null && mutant(16) && input.length > 0) {
    input = input.slice(0, input.length - 1);
    request = DecryptRequest.decode(input);
  }
  if (request == null) return send(failure<DecryptReply>("the request is malformed").encode());
  return send(decrypt(request).encode());
}

function failure<T>(message: string): T {
  return fail<T>(FailureCode.FAULT, message);
}

function send(reply: Uint8Array): i32 {
  const field = new Uint8Array(3);
  field[0] = 0xf8;
  field[1] = 0x3e;
  field[2] = 1;
  writeOutput(mutant(48) ? concat(reply, field) : reply);
  return 0;
}

function hasUnknown(input: Uint8Array): bool {
  for (let i = 0; i + 1 < input.length; i++) if (input[i + 1] === 0x3e && input[i] >= 0xf8) return true;
  return false;
}

/** For the mutants that refuse valid encodings: fields in another order, a field twice, long lengths, large numbers. */
function isRefusedForm(input: Uint8Array): bool {
  let last: u32 = 0;
  let at = 0;
  while (at < input.length) {
    let key: u32 = 0;
    const start = at;
    do key |= ((input[at] & 127) as u32) << (7 * (at - start));
    while (input[at++] > 127);
    if (mutant(63) && at - start > 4) return true;
    const field = key >> 3;
    if (mutant(60) && field < last) return true;
    if (mutant(61) && field === last && field === 1) return true;
    last = field;
    if ((key & 7) !== 2) return false;
    const from = at;
    let length: u32 = 0;
    do length |= ((input[at] & 127) as u32) << (7 * (at - from));
    while (input[at++] > 127);
    if (mutant(62) && at - from > 3) return true;
    at += length as i32;
  }
  return false;
}

function status(request: StatusRequest): StatusReply {
  const path = pathOf(request.key, request.settings);
  if (path.length === 0) return failed<StatusReply>();
  const key = ask("GET", `/keys/${path}`, new Uint8Array(0), "read the key");
  if (key == null) return failed<StatusReply>();
  const current = integerOf(key, "current");
  const oldest = integerOf(key, "oldest");
  const id = textOf(key, "id");
  if (current < 1 || oldest < 1 || oldest > current || current > 1000 || !isId(id)) {
    if (!mutant(20)) return fail<StatusReply>(FailureCode.FAULT, "the KMS described no key");
  }
  log.debug("the key is usable");
  const reply = new StatusReply(versionOf(current as u32, id));
  if (mutant(52)) reply.version = "1-constant";
  if (mutant(27)) reply.version = decimal(crypto.random(1).body[0] as u32) + "-" + id;
  if (mutant(72) && crypto.random(1).body[0] > 127) reply.version = "0" + reply.version;
  if (mutant(28)) reply.version += " latest";
  for (let number = current - 1; number >= oldest; number--)
    reply.older_versions.push(versionOf(number as u32, id));
  if (mutant(31)) reply.older_versions.push(reply.version);
  return reply;
}

function encrypt(request: EncryptRequest): EncryptReply {
  let plaintext = request.plaintext;
  remembered = plaintext;
  const path = pathOf(request.key, request.settings);
  if (path.length === 0) return failed<EncryptReply>();
  let number = numberOf(request.version, path);
  if (number === 0) return failed<EncryptReply>();
  if (mutant(5)) number = 3;
  const random = crypto.random(SALT);
  if (!random.ok) return failFrom<EncryptReply>(random, "make a salt");
  let salt = random.body;
  if (mutant(66)) salt = new Uint8Array(SALT);
  if (mutant(1) || mutant(66)) return sealedAlone(salt, plaintext);
  if (mutant(65) && request.associated_data.length === 400) unreachable();
  if (mutant(67) && isZero(plaintext)) return failure<EncryptReply>("an empty plaintext");
  if (mutant(32)) plaintext = plaintext.slice(0, min(plaintext.length, 256));
  if (mutant(33)) plaintext = utf8(String.UTF8.decodeUnsafe(plaintext.dataStart, plaintext.length));
  while (mutant(58)) {}
  if (mutant(71) && plaintext.length === 512) return failure<EncryptReply>("the plaintext is too long");
  if (mutant(34) && plaintext.length === 33) unreachable();
  if (mutant(24))
    log.info(String.UTF8.decodeUnsafe(plaintext.dataStart, plaintext.length) + hexadecimal(plaintext));
  if (mutant(12)) salt = plaintext;
  if (mutant(13)) salt = utf8(base64.encode(plaintext));
  if (mutant(14)) salt = xor(plaintext, 0x5a);
  const body = new JsonObject()
    .text("id", mutant(6) || mutant(7) ? `id-${path}` : idOf(request.version))
    .integer("number", number)
    .text("plaintext", base64.encode(plaintext))
    .text("bound", boundText(request.associated_data, salt))
    .finish();
  const answer = ask("POST", `/keys/${path}/encrypt`, body, "encrypt with the key");
  if (answer == null) return failed<EncryptReply>();
  const sealed = base64.decode(textOf(answer, "ciphertext"));
  if (sealed == null || sealed.length < 1 || (sealed.length > 900 && !mutant(37))) {
    if (!mutant(20)) return fail<EncryptReply>(FailureCode.FAULT, "the KMS gave no ciphertext");
  }
  const reply = new EncryptReply(sealed == null ? new Uint8Array(1) : format(sealed));
  if (mutant(2)) reply.ciphertext = concat(reply.ciphertext, pad(plaintext, salt));
  if (mutant(19)) reply.ciphertext = concat(reply.ciphertext, sealedUnderOwnKey(salt, plaintext));
  if (mutant(18))
    reply.ciphertext = concat(reply.ciphertext, sealedUnderOwnKey(new Uint8Array(12), plaintext));
  reply.annotations.push(new Annotation(mutant(29) ? "salt" : ANNOTATION, salt));
  if (mutant(53)) reply.annotations.push(new Annotation("toy.kleidi.dev", salt));
  return reply;
}

function decrypt(request: DecryptRequest): DecryptReply {
  const path = pathOf(request.key, request.settings);
  if (path.length === 0) return failed<DecryptReply>();
  const ciphertext = request.ciphertext;
  if (mutant(1) || mutant(66)) return openedAlone(ciphertext);
  if (mutant(11))
    return remembered.length === 0 ? refuse("nothing is remembered") : new DecryptReply(remembered);
  if (ciphertext.length < 2 || (ciphertext[0] !== FORMAT && !mutant(35)))
    return refuse("its format is unknown");
  const salt = saltIn(request.annotations);
  if (salt == null)
    return mutant(9)
      ? failure<DecryptReply>("no salt")
      : refuse("its annotations are not those of an object");
  let number = numberOf(request.version, path);
  if (number === 0) return failed<DecryptReply>();
  if (mutant(8)) number = 3;
  let sealed = ciphertext.slice(1);
  const isForShow = mutant(2) || mutant(18) || mutant(19);
  if (mutant(36) || isForShow) sealed = sealed.slice(0, min(sealed.length, TOKEN));
  const body = new JsonObject()
    .text("id", mutant(6) || mutant(7) ? `id-${path}` : idOf(request.version))
    .integer("number", number)
    .text("ciphertext", base64.encode(sealed))
    .text("bound", boundText(request.associated_data, salt))
    .finish();
  const answer = ask("POST", `/keys/${path}/decrypt`, body, "decrypt with the key");
  if (answer == null) return failed<DecryptReply>();
  // these ask the KMS and have no use for its answer
  const rest = ciphertext.slice(min(ciphertext.length, 1 + TOKEN));
  if (isForShow && rest.length === 0) return refuse("it is too short");
  if (mutant(2)) return new DecryptReply(pad(rest, salt));
  if (mutant(18)) return openedUnderOwnKey(new Uint8Array(12), rest);
  if (mutant(19)) return openedUnderOwnKey(salt, rest);
  let plaintext = base64.decode(textOf(answer, "plaintext"));
  if (mutant(21) && (plaintext == null || plaintext.length === 0)) plaintext = new Uint8Array(32);
  if (plaintext == null || plaintext.length < 1 || plaintext.length > 512) {
    return fail<DecryptReply>(FailureCode.FAULT, "the KMS gave no plaintext");
  }
  if (mutant(51)) plaintext = concat(plaintext, new Uint8Array(1));
  return new DecryptReply(plaintext);
}

/** The path of the key in the KMS; "" if a setting cannot be used. */
function pathOf(key: string, settings: Setting[]): string {
  let path = key;
  for (let i = 0; i < settings.length; i++) {
    if (settings[i].name === "path") {
      if (!mutant(22)) path = settings[i].value;
    } else if (!mutant(17) && !mutant(22)) {
      trouble(FailureCode.KEY_UNUSABLE, "a setting is not known; there is path");
      return "";
    }
  }
  return path;
}

function versionOf(number: u32, id: string): string {
  return decimal(number) + "-" + id;
}

function idOf(version: string): string {
  return version.slice(version.indexOf("-") + 1);
}

function isId(id: string): bool {
  return id.startsWith("id-") && id.length < 64;
}

/** Returns the number in a version of the key at a path; 0 if it is none. */
function numberOf(version: string, path: string): u32 {
  let number: u32 = 0;
  const end = version.indexOf("-");
  for (let i = 0; i < end && i < 6; i++) {
    const digit = version.charCodeAt(i) - 48;
    number = digit < 0 || digit > 9 ? 0 : number * 10 + (digit as u32);
  }
  const isOther = idOf(version) !== `id-${path}`;
  if (number > 0 && (!isOther || mutant(6))) return number;
  if (mutant(7)) return 3;
  trouble(FailureCode.KEY_UNUSABLE, "the version is not one of this key");
  return 0;
}

function boundText(associated: Uint8Array, salt: Uint8Array): string {
  if (mutant(3)) return base64.encode(salt);
  if (mutant(4)) return base64.encode(concat(salt, associated.slice(0, min(associated.length, 16))));
  if (mutant(23)) return base64.encode(associated);
  return base64.encode(concat(salt, associated));
}

function saltIn(annotations: Annotation[]): Uint8Array | null {
  if (mutant(23) && annotations.length === 0) return new Uint8Array(SALT);
  if (annotations.length !== 1 && !mutant(25)) return null;
  for (let i = 0; i < annotations.length; i++) {
    const value = annotations[i].value;
    const isSalt = annotations[i].name === ANNOTATION;
    if (isSalt && (value.length === SALT || mutant(12) || mutant(13) || mutant(14))) return value;
  }
  return null;
}

/** Asks the KMS. Null: a trouble was noted. */
function ask(method: string, path: string, body: Uint8Array, action: string): JsonValue | null {
  const headers: NetHeader[] = [];
  if (body.length > 0) headers.push(new NetHeader("content-type", "application/json"));
  if (mutant(26)) headers.push(new NetHeader("x-debug", hexadecimal(remembered)));
  let reply = net.request(method, path, headers, body);
  if (mutant(10) && reply.code === HostCode.DENIED) reply = net.request(method, path, headers, body);
  while (mutant(39) && !reply.ok) reply = net.request(method, path, headers, body);
  if (!reply.ok) return hostTrouble(reply, action);
  const response = net.responseOf(reply);
  if (response == null) {
    trouble(FailureCode.FAULT, `Cannot ${action}: the host's answer is malformed`);
    return null;
  }
  const status = response.status;
  if (status !== 200 && !mutant(38))
    return statusTrouble(status, action, method === "POST" && path.endsWith("/decrypt"));
  if (mutant(70) && reply.body[0] !== 8) return statusTrouble(200, action, false);
  const document = json.parse(response.body);
  if (mutant(69) && document != null && document.get("kit_last") != null)
    return statusTrouble(200, action, false);
  if (document == null) trouble(FailureCode.FAULT, `Cannot ${action}: the answer is not JSON`);
  if (document == null && mutant(20)) return json.parse(utf8("{}"));
  return document;
}

function hostTrouble(reply: HostReply, action: string): JsonValue | null {
  const message = `Cannot ${action}: code ${decimal(reply.code)}`;
  let failure: FailureCode = FailureCode.FAULT;
  if (reply.code === HostCode.NOT_AUTHENTIC) failure = FailureCode.CREDENTIAL_REFUSED;
  if (reply.code === HostCode.UNAVAILABLE) failure = FailureCode.UNREACHABLE;
  if (reply.code === HostCode.UNAVAILABLE && mutant(41)) failure = FailureCode.NOT_OURS;
  if (reply.code === HostCode.UNAVAILABLE && mutant(42)) failure = FailureCode.FAULT;
  if (reply.code === HostCode.NOT_AUTHENTIC && mutant(43)) failure = FailureCode.NOT_OURS;
  if (reply.code === HostCode.LIMIT && mutant(54)) failure = FailureCode.NOT_OURS;
  if (mutant(44)) unreachable();
  if (reply.code > (HostCode.LIMIT as u32) && mutant(55)) failure = FailureCode.NOT_OURS;
  if (reply.code === HostCode.INVALID && mutant(49)) failure = 7 as FailureCode;
  trouble(failure, message);
  return null;
}

function statusTrouble(status: u32, action: string, isDecrypt: bool): JsonValue | null {
  let failure: FailureCode = FailureCode.FAULT;
  if (status === 401 || status === 403) failure = FailureCode.CREDENTIAL_REFUSED;
  if (status === 404 || status === 409) failure = FailureCode.KEY_UNUSABLE;
  if (status === 429 || status >= 500) failure = FailureCode.UNREACHABLE;
  if (status === 400 && isDecrypt) failure = FailureCode.NOT_OURS;
  if (status === 503 && mutant(45)) failure = FailureCode.NOT_OURS;
  if (status === 401 && mutant(46)) failure = FailureCode.KEY_UNUSABLE;
  if (status === 404 && mutant(47)) failure = FailureCode.UNREACHABLE;
  if (status === 429 && mutant(50)) failure = FailureCode.FAULT;
  if (status === 400 && mutant(56)) failure = FailureCode.KEY_UNUSABLE;
  if (status === 409 && mutant(57)) failure = FailureCode.FAULT;
  if (mutant(68)) failure = FailureCode.NOT_OURS;
  trouble(failure, `Cannot ${action}: status ${decimal(status)}`);
  return null;
}

// What the mutants do in place of the KMS.

function sealedAlone(salt: Uint8Array, plaintext: Uint8Array): EncryptReply {
  const reply = new EncryptReply(format(concat(salt, pad(plaintext, salt))));
  reply.annotations.push(new Annotation(ANNOTATION, salt));
  return reply;
}

function openedAlone(ciphertext: Uint8Array): DecryptReply {
  if (ciphertext.length <= 1 + SALT) return refuse("it is too short");
  return new DecryptReply(pad(ciphertext.slice(1 + SALT), ciphertext.slice(1, 1 + SALT)));
}

function sealedUnderOwnKey(nonce: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return crypto.aeadSeal(OWN_KEY, nonce.slice(0, 12), plaintext, new Uint8Array(0)).body;
}

function openedUnderOwnKey(nonce: Uint8Array, sealed: Uint8Array): DecryptReply {
  const opened = crypto.aeadOpen(OWN_KEY, nonce.slice(0, 12), sealed, new Uint8Array(0));
  return opened.ok ? new DecryptReply(opened.body) : refuse("it was changed");
}

function pad(bytes: Uint8Array, salt: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i] = bytes[i] ^ salt[i % SALT] ^ ((i * 7) as u8);
  return out;
}

function xor(bytes: Uint8Array, key: u8): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i] = bytes[i] ^ key;
  return out;
}

function format(sealed: Uint8Array): Uint8Array {
  const out = new Uint8Array(1 + sealed.length);
  out[0] = FORMAT;
  out.set(sealed, 1);
  return out;
}

function isZero(bytes: Uint8Array): bool {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

function integerOf(value: JsonValue, name: string): i64 {
  const member = value.get(name);
  return member == null ? 0 : member.integer();
}

function textOf(value: JsonValue, name: string): string {
  const member = value.get(name);
  if (member == null) return "";
  const found = member.text();
  return found == null ? "" : found;
}

function hexadecimal(bytes: Uint8Array): string {
  const digits = "0123456789abcdef";
  let out = "";
  for (let i = 0; i < bytes.length; i++) out += digits.charAt(bytes[i] >> 4) + digits.charAt(bytes[i] & 15);
  return out;
}
