import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, hash, sign } from "node:crypto";
import { describe, test } from "node:test";
import { NoteFault, openNote, signNote, verifierKey } from "./note.ts";

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const other = generateKeyPairSync("ed25519");
const origin = "example.com/kleidi/node-1";
const root = hash("sha256", "x", "buffer");
const head = { origin, size: 20852163, root };
const note = signNote(head, privateKey);

/** The fault of a note; undefined if it is valid. */
function faultOf(text: string | Buffer, keys = [publicKey]): string | undefined {
  try {
    openNote(Buffer.from(text), keys);
  } catch (error) {
    assert.ok(error instanceof NoteFault, String(error));
    return error.message;
  }
  return undefined;
}

/** Signs any text. */
function signed(text: string, { name = origin, key = privateKey } = {}): string {
  const raw = createPublicKey(key).export({ type: "spki", format: "der" }).subarray(-32);
  const id = hash("sha256", Buffer.concat([Buffer.from(`${name}\n\u0001`), raw]), "buffer").subarray(0, 4);
  const line = Buffer.concat([id, sign(null, Buffer.from(text), key)]).toString("base64");
  return `${text}\n\u2014 ${name} ${line}\n`;
}

test("a verifier key matches the example of the reference implementation", () => {
  const known = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
  const x = Buffer.from(known.split("+").slice(2).join("+"), "base64").subarray(1).toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  assert.equal(verifierKey("PeterNeumann", key), known);
});

describe("a signed note", () => {
  test("has three lines, an empty one, and a line with the name and id of the key and the signature", () => {
    const [first, second, third, empty, signature = "", end] = note.split("\n");
    assert.deepEqual(
      [first, second, third, empty, end],
      [origin, "20852163", root.toString("base64"), "", ""],
    );
    assert.match(signature, /^\u2014 example\.com\/kleidi\/node-1 [A-Za-z0-9+/]{90,91}={0,2}$/);
    assert.equal(Buffer.from(signature.split(" ")[2] ?? "", "base64").length, 4 + 64);
    assert.equal(note, signed(note.slice(0, note.indexOf("\n\n") + 1)));
  });

  test("is opened with the key, also with other signatures and extra lines", () => {
    assert.deepEqual(openNote(Buffer.from(note), [other.publicKey, publicKey]), head);
    const witness = signed(note.slice(0, note.indexOf("\n\n") + 1), {
      name: "witness.example/w1",
      key: other.privateKey,
    });
    const both = `${note}${witness.slice(witness.lastIndexOf("\u2014"))}`;
    assert.deepEqual(openNote(Buffer.from(both), [publicKey]), head);
    const more = signed(`${origin}\n0\n${root.toString("base64")}\nmore\n`);
    assert.deepEqual(openNote(Buffer.from(more), [publicKey]), { ...head, size: 0 });
  });

  const base64 = root.toString("base64");
  for (const [what, text] of [
    ["another size", note.replace("20852163", "20852164")],
    ["a signature of another key", signNote(head, other.privateKey)],
    ["a signature in another name", signed(`${origin}\n1\n${base64}\n`, { name: "example.com/other" })],
    ["nothing", ""],
    ["no signature", note.slice(0, note.indexOf("\n\n") + 2)],
    ["no end", note.slice(0, -1)],
    ["another dash", note.replace("\u2014", "-")],
    ["an empty signature", `${note}\u2014 x AAAA\n`],
    ["base64 of another form", note.replace(/=*\n$/, "\n")],
    ["a control character", note.replace("example", "exam\u0007ple")],
    ["a carriage return", note.replaceAll("\n", "\r\n")],
    ["two lines", signed(`${origin}\n1\n`)],
    ["a size with a leading zero", signed(`${origin}\n01\n${base64}\n`)],
    ["a size above the safe integers", signed(`${origin}\n9007199254740992\n${base64}\n`)],
    ["a short root", signed(`${origin}\n1\n${base64.slice(4)}\n`)],
    ["an empty line after the root", signed(`${origin}\n1\n${base64}\n\nx\n`)],
    ["more signatures than the limit", note + "\u2014 x AAAAAAAA\n".repeat(100)],
    ["more bytes than the limit", "x".repeat(1_048_577)],
  ] as const)
    test(`is rejected with ${what}`, (t) => t.assert.snapshot(faultOf(text) ?? assert.fail()));

  test("is rejected if its bytes are not UTF-8", (t) => {
    const bytes = Buffer.from(note.replace("example", "exampl\u00ff"), "latin1");
    t.assert.snapshot(faultOf(bytes) ?? assert.fail());
  });
});
