import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { assertFailure } from "../../../test/support/failures.ts";
import { assertSentence, thrown } from "../../../test/support/thrown.ts";
import { Secret } from "../../lib/secret.ts";
import { fingerprint, formatKeyFile, type KeyBytes, parseKeyFile, passphraseOf } from "./key-file.ts";

const BYTES = Uint8Array.from({ length: 32 }, (_, i) => i);
const BASE64URL = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const TEXT = formatKeyFile("main", new Secret(BYTES.slice()));

function parse(text: string): KeyBytes {
  return parseKeyFile("main", "/keys/main.key", text);
}

/** A line with a correct checksum, whatever its content. */
function line(body: string): string {
  return `${body} ${createHash("sha256").update(body).digest("hex").slice(0, 16)}\n`;
}

test("a key file is one line of format, name, key and checksum", () => {
  assert.equal(TEXT, line(`kleidi-key-1 main ${BASE64URL}`));
});

test("parseKeyFile returns the key that formatKeyFile wrote", () => {
  assert.deepEqual(
    parse(TEXT).use((bytes) => bytes.slice()),
    BYTES,
  );
});

test("parseKeyFile returns any key", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      const text = formatKeyFile("a.b-1", new Secret(Uint8Array.from(bytes)));
      const back = parseKeyFile("a.b-1", "x", text).use((read) => Buffer.from(read));
      assert.deepEqual(back, Buffer.from(bytes));
    }),
  );
});

const REFUSED: [string, string][] = [
  ["an empty file", ""],
  ["a file of one line end", "\n"],
  ["another format", line(`kleidi-key-2 main ${BASE64URL}`)],
  ["a byte order mark", `\ufeff${TEXT}`],
  ["a space before the line", ` ${TEXT}`],
  ["a line without its line end", TEXT.slice(0, -1)],
  ["an empty line after the line", `${TEXT}\n`],
  ["a second key after the line", `${TEXT}${TEXT}`],
  ["a line that ends in CR LF", TEXT.replace("\n", "\r\n")],
  ["a checksum in capitals", TEXT.replace(/[0-9a-f]+\n/, (text) => text.toUpperCase())],
  ["a checksum and no key", line("kleidi-key-1 main")],
  ["an extra field", line(`kleidi-key-1 main ${BASE64URL} more`)],
  ["another key's file", line(`kleidi-key-1 other ${BASE64URL}`)],
  ["an empty name", line(`kleidi-key-1  ${BASE64URL}`)],
  ["a key of 31 bytes", line(`kleidi-key-1 main ${Buffer.alloc(31).toString("base64url")}`)],
  ["a key of 33 bytes", line(`kleidi-key-1 main ${Buffer.alloc(33).toString("base64url")}`)],
  ["no key between the spaces", line("kleidi-key-1 main ")],
];
for (const [what, text] of REFUSED) {
  test(`parseKeyFile refuses ${what}`, (t) => assertFailure(t, "key-file-invalid", () => parse(text)));
}

const cutAfter = (length: number) => thrown(() => parse(TEXT.slice(0, length)));
const [CUT_IN_FORMAT, CUT_AFTER_FORMAT] = [1, "kleidi-key-1 ".length];
for (let length = 1; length < TEXT.length; length++) {
  test(`parseKeyFile refuses the file cut after ${length} bytes`, () => {
    const { code, message } = cutAfter(length);
    const like = cutAfter(length < CUT_AFTER_FORMAT ? CUT_IN_FORMAT : CUT_AFTER_FORMAT);
    assert.deepEqual([code, message], ["key-file-invalid", like.message]);
  });
}

test("a file truncated within its format and one truncated after it get different messages", (t) => {
  for (const length of [CUT_IN_FORMAT, CUT_AFTER_FORMAT]) assertSentence(t, cutAfter(length).message);
});

test("parseKeyFile refuses a flipped bit anywhere", () => {
  const accepted: string[] = [];
  for (let at = 0; at < TEXT.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const bytes = Buffer.from(TEXT);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
      try {
        parse(bytes.toString("utf8"));
        accepted.push(`byte ${at}, bit ${bit}`);
      } catch (error) {
        assert.equal((error as { code: string }).code, "key-file-invalid");
      }
    }
  }
  assert.deepEqual(accepted, []);
});

test("parseKeyFile never quotes the key in a message", () => {
  for (let at = 0; at < TEXT.length; at++) {
    const text = `${TEXT.slice(0, at)}!${TEXT.slice(at + 1)}`;
    assert.throws(
      () => parse(text),
      ({ message }: Error) => !message.includes("AAECAw") && !message.includes("GxwdHh8"),
    );
  }
});

test("the fingerprint is an HMAC under the key", () => {
  assert.equal(fingerprint(new Secret(BYTES.slice())), "f2f35f4f629c35da7155e85355c9e6a0");
});

const PRINTERS: [string, (key: KeyBytes) => string][] = [
  ["JSON.stringify", (key) => JSON.stringify(key)],
  ["JSON.stringify of its holder", (key) => JSON.stringify({ key, list: [key] })],
  ["a template string", (key) => `${key}`],
  ["String", (key) => String(key)],
  ["string concatenation", (key) => "".concat(key as unknown as string)],
  ["util.inspect", (key) => inspect(key)],
  ["util.inspect with all options", (key) => inspect(key, { depth: null, showHidden: true, getters: true })],
  ["util.inspect of its holder", (key) => inspect({ key }, { depth: null })],
  ["a spread", (key) => JSON.stringify({ ...key })],
  ["Object.entries", (key) => JSON.stringify(Object.entries(key))],
];
for (const [what, print] of PRINTERS) {
  test(`KeyBytes is not printed by ${what}`, () => {
    const text = print(new Secret(new Uint8Array(32).fill(0xa7)));
    assert.doesNotMatch(text, /a7|167|p6en|\xa7/i);
  });
}

test("wipe leaves zeros", () => {
  const bytes = BYTES.slice();
  new Secret(bytes).wipe();
  assert.deepEqual(bytes, new Uint8Array(32));
});

/** The memory that Node takes small Buffers from, and reuses for the next ones. */
const pool = () => Buffer.from(Buffer.from("pool").buffer);

test("parsing leaves no copy of a key or its text in the memory that Node shares among Buffers", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const encoded = new TextEncoder().encode(bytes.toBase64({ alphabet: "base64url", omitPadding: true }));
  const text = formatKeyFile("main", new Secret(bytes.slice()));
  const before = pool();
  const passphrase = passphraseOf(parse(text));
  assert.equal(
    passphrase.use((own) => Buffer.compare(own, encoded)),
    0,
  );
  for (const shared of [before, pool()])
    for (const secret of [bytes, encoded]) assert.equal(shared.includes(secret), false);
});
