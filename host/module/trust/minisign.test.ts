import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { requireDebian } from "../../../test/support/debian.ts";
import { minisign, newSigner } from "../../../test/support/minisign.ts";
import { assertSentences, thrown } from "../../../test/support/thrown.ts";
import { MinisignError, parsePublicKey, parseSignature, verifiesComment, verifiesFile } from "./minisign.ts";

requireDebian(["minisign"]);

const folder = mkdtempSync(join(tmpdir(), "kleidi-minisign-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const MODULE = randomBytes(100_000);
writeFileSync(join(folder, "m.wasm"), MODULE);
run("-G", "-W", "-p", "k.pub", "-s", "k.key");
const [PUB_COMMENT = "", PUB = ""] = readFileSync(join(folder, "k.pub"), "utf8").split("\n");

function run(...args: string[]): string {
  const { status, said } = minisign(folder, args);
  assert.equal(status, 0, said);
  return said;
}

/** A signature of MODULE, made by the real minisign. */
function signed(...args: string[]): string {
  run("-S", "-s", "k.key", "-m", "m.wasm", "-x", "m.minisig", ...args);
  return readFileSync(join(folder, "m.minisig"), "utf8");
}

/** Checks everything that a valid signature must fulfil. */
function isValid(pub: string, text: string, file: Uint8Array = MODULE): boolean {
  try {
    const key = parsePublicKey(pub);
    const signature = parseSignature(text);
    return (
      signature.keyId === key.id && verifiesFile(key, signature, file) && verifiesComment(key, signature)
    );
  } catch (error) {
    assert.ok(error instanceof MinisignError, String(error));
    return false;
  }
}

const PREHASHED = signed("-t", "kleidi expires:2027-01-31");
const LEGACY = signed("-l", "-t", "ключ\tkleidi");

test("a signature by minisign is valid", () => {
  assert.ok(isValid(PUB, PREHASHED));
  const { prehashed, trustedComment } = parseSignature(PREHASHED);
  assert.deepEqual(
    { prehashed, trustedComment },
    { prehashed: true, trustedComment: "kleidi expires:2027-01-31" },
  );
});

test("a signature by minisign with -l is valid", () => {
  assert.ok(isValid(PUB, LEGACY));
  const { prehashed, trustedComment } = parseSignature(LEGACY);
  assert.deepEqual({ prehashed, trustedComment }, { prehashed: false, trustedComment: "ключ\tkleidi" });
});

test("a signature with the default comments of minisign is valid", () => {
  assert.ok(isValid(PUB, signed()));
});

test("the key ids are those that minisign prints", () => {
  // minisign prints no leading zeros
  const printed = parsePublicKey(PUB).id.replace(/^0+/, "");
  assert.equal(PUB_COMMENT, `untrusted comment: minisign public key ${printed}`);
  assert.equal(parseSignature(PREHASHED).keyId, parsePublicKey(PUB).id);
});

test("a signature of an empty file is valid", () => {
  writeFileSync(join(folder, "empty"), "");
  run("-S", "-s", "k.key", "-m", "empty", "-x", "empty.minisig");
  assert.ok(isValid(PUB, readFileSync(join(folder, "empty.minisig"), "utf8"), new Uint8Array()));
});

for (const legacy of [false, true]) {
  test(`minisign verifies the signatures of test/support${legacy ? " in the legacy form" : ""}`, () => {
    const ours = newSigner();
    writeFileSync(join(folder, "ours.minisig"), ours.sign(MODULE, { legacy, comment: "by our tests" }));
    const said = run("-V", "-P", ours.publicKey, "-m", "m.wasm", "-x", "ours.minisig");
    assert.match(said, /Comment signature verified|comment signature verified/);
    assert.match(said, /by our tests/);
  });
}

for (const [name, text] of [
  ["a prehashed", PREHASHED],
  ["a legacy", LEGACY],
] as const) {
  test(`${name} signature with any byte changed is refused, except in the untrusted comment`, () => {
    const bytes = Buffer.from(text);
    const free = { from: "untrusted comment: ".length, to: text.indexOf("\n") };
    let refused = 0;
    for (const [at, byte] of bytes.entries()) {
      for (const mask of [1, 2, 0x20, 0x80]) {
        const changed = Buffer.from(bytes);
        changed[at] = byte ^ mask;
        const good = isValid(PUB, changed.toString("utf8"));
        if (at < free.from || at >= free.to) assert.equal(good, false, `byte ${at} ^ ${mask}`);
        if (!good) refused++;
      }
    }
    assert.ok(refused >= (bytes.length - (free.to - free.from)) * 4);
  });

  test(`${name} signature truncated at any byte is refused`, () => {
    const bytes = Buffer.from(text);
    for (let end = 0; end < bytes.length; end++) {
      assert.equal(isValid(PUB, bytes.toString("utf8", 0, end)), false, `cut to ${end} bytes`);
    }
  });

  test(`${name} signature of a file with any bit changed is refused`, () => {
    for (const at of [0, 1, 63, 64, 127, 128, 50_000, MODULE.length - 1]) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = Buffer.from(MODULE);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        assert.equal(isValid(PUB, text, changed), false, `byte ${at}, bit ${bit}`);
      }
    }
    assert.equal(isValid(PUB, text, MODULE.subarray(1)), false);
    assert.equal(isValid(PUB, text, Buffer.concat([MODULE, Buffer.from([0])])), false);
  });
}

test("a public key with any character changed is refused or verifies nothing", () => {
  for (let at = 0; at < PUB.length; at++) {
    for (const mask of [1, 2, 4, 0x20]) {
      const other = String.fromCharCode(PUB.charCodeAt(at) ^ mask);
      const changed = `${PUB.slice(0, at)}${other}${PUB.slice(at + 1)}`;
      assert.equal(isValid(changed, PREHASHED), false, `character ${at} is ${other}`);
    }
  }
});

test("a signature with the comment of another signature by the same key is refused", () => {
  const [untrusted, first] = PREHASHED.split("\n");
  const [, , trusted, second] = LEGACY.split("\n");
  const mixed = [untrusted, first, trusted, second, ""].join("\n");
  assert.ok(verifiesFile(parsePublicKey(PUB), parseSignature(mixed), MODULE));
  assert.equal(isValid(PUB, mixed), false);
});

test("a prehashed signature relabelled as a legacy one is refused", () => {
  const ours = newSigner();
  const relabelled = ours.sign(MODULE, { algorithm: "Ed" });
  assert.equal(isValid(ours.publicKey, relabelled), false);
});

/** Malformed signatures, made from a valid one, with the line that the error names. */
const MALFORMED: readonly [string, string, number?][] = [
  ["CRLF", PREHASHED.replaceAll("\n", "\r\n")],
  ["an empty text", ""],
  ["an extra line", `${PREHASHED}\n`],
  ["two signatures", PREHASHED + PREHASHED],
  ["an empty first line", `\n${PREHASHED}`],
  ["no final line feed", PREHASHED.slice(0, -1)],
  ["a byte order mark", `\ufeff${PREHASHED}`, 1],
  ["another prefix", PREHASHED.replace("trusted comment: k", "Trusted comment: k"), 3],
  ["a space after base64", PREHASHED.replace("=\n", "= \n"), 2],
  ["base64 without padding", PREHASHED.replace("=\n", "\n"), 2],
  ["a short line 2", PREHASHED.replace(/^RU.*$/m, "RUQ="), 2],
  ["a short line 4", PREHASHED.replace(/^.*==$/m, "QQ=="), 4],
  ["an escape", PREHASHED.replace("kleidi", "\u001b[2J"), 3],
  ["text that runs backwards", PREHASHED.replace("kleidi", "\u202e")],
  ["another algorithm", newSigner().sign(MODULE, { algorithm: "Sc" })],
  ["an algorithm with a control character", newSigner().sign(MODULE, { algorithm: "\u009b" })],
];
for (const [name, text, line] of MALFORMED) {
  test(`parseSignature refuses ${name}`, (t) => {
    const error = thrown(() => parseSignature(text));
    assert.ok(error instanceof MinisignError);
    if (line !== undefined) assert.ok(error.message.includes(`line ${line}`), error.message);
    assertSentences(t, { message: error.message });
  });
}

test("parsePublicKey refuses malformed public keys", () => {
  for (const line of ["", PUB.slice(0, -4), `${PUB}AAAA`, `${PUB}\n`, ` ${PUB}`, `${PUB_COMMENT}\n${PUB}\n`])
    assert.throws(() => parsePublicKey(line), MinisignError, line);
  const secret = readFileSync(join(folder, "k.key"), "utf8").split("\n")[1] ?? "";
  assert.throws(() => parsePublicKey(secret), MinisignError);
  const other = Buffer.from(PUB, "base64");
  other.write("ED");
  assert.equal(
    thrown(() => parsePublicKey(other.toString("base64"))).message,
    "is not a minisign public key",
  );
});

test("a public key that is not a point of the curve verifies nothing and does not throw", () => {
  const head = Buffer.from(PUB, "base64").subarray(0, 10);
  for (const fill of [0x02, 0x7f, 0xff]) {
    const pub = Buffer.concat([head, Buffer.alloc(32, fill)]).toString("base64");
    assert.equal(isValid(pub, PREHASHED), false);
  }
});

// By the equation alone these verify: with a key of small order, h·A vanishes for many messages, so that R = S·B is enough.
test("a key of small order, such as a placeholder of 32 zeros, verifies no forged signature", () => {
  const head = Buffer.from(PUB, "base64").subarray(0, 10);
  const base = `58${"66".repeat(31)}`;
  const one = `01${"00".repeat(31)}`;
  const forgeries = [one + "00".repeat(32), base + one]; // R ‖ S: the identity and 0, the base point and 1
  for (const y of [
    "00".repeat(32),
    one,
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    `ec${"ff".repeat(30)}7f`,
    `ed${"ff".repeat(30)}7f`,
    `ee${"ff".repeat(30)}7f`,
  ]) {
    const key = parsePublicKey(Buffer.concat([head, Buffer.from(y, "hex")]).toString("base64"));
    for (const forged of forgeries) {
      const signature = { ...parseSignature(LEGACY), signature: Buffer.from(forged, "hex") };
      for (let i = 0; i < 64; i++) assert.equal(verifiesFile(key, signature, Buffer.from([i])), false, y);
    }
  }
});
