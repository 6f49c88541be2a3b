import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { requireDebian } from "../../../test/support/debian.ts";
import { minisign, newSigner } from "../../../test/support/minisign.ts";
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

/** A signature that the real minisign made of MODULE. */
function signed(...args: string[]): string {
  run("-S", "-s", "k.key", "-m", "m.wasm", "-x", "m.minisig", ...args);
  return readFileSync(join(folder, "m.minisig"), "utf8");
}

/** Everything that a signature must be. */
function isGood(pub: string, text: string, file: Uint8Array = MODULE): boolean {
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

test("a signature that minisign made is good", () => {
  assert.ok(isGood(PUB, PREHASHED));
  const { prehashed, trustedComment } = parseSignature(PREHASHED);
  assert.deepEqual(
    { prehashed, trustedComment },
    { prehashed: true, trustedComment: "kleidi expires:2027-01-31" },
  );
});

test("a signature that minisign made with -l is good", () => {
  assert.ok(isGood(PUB, LEGACY));
  const { prehashed, trustedComment } = parseSignature(LEGACY);
  assert.deepEqual({ prehashed, trustedComment }, { prehashed: false, trustedComment: "ключ\tkleidi" });
});

test("a signature with the comments that minisign writes by itself is good", () => {
  assert.ok(isGood(PUB, signed()));
});

test("the id of a key and of a signature is the one that minisign prints", () => {
  // It prints no zeros in front.
  const printed = parsePublicKey(PUB).id.replace(/^0+/, "");
  assert.equal(PUB_COMMENT, `untrusted comment: minisign public key ${printed}`);
  assert.equal(parseSignature(PREHASHED).keyId, parsePublicKey(PUB).id);
});

test("a signature of an empty file is good", () => {
  writeFileSync(join(folder, "empty"), "");
  run("-S", "-s", "k.key", "-m", "empty", "-x", "empty.minisig");
  assert.ok(isGood(PUB, readFileSync(join(folder, "empty.minisig"), "utf8"), new Uint8Array()));
});

for (const legacy of [false, true]) {
  test(`minisign verifies what our tests sign${legacy ? ", in the legacy form too" : ""}`, () => {
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
  test(`${name} signature with any byte changed is refused, or changed where nothing vouches for it`, () => {
    const bytes = Buffer.from(text);
    const free = { from: "untrusted comment: ".length, to: text.indexOf("\n") };
    let refused = 0;
    for (const [at, byte] of bytes.entries()) {
      for (const mask of [1, 2, 0x20, 0x80]) {
        const changed = Buffer.from(bytes);
        changed[at] = byte ^ mask;
        const good = isGood(PUB, changed.toString("utf8"));
        if (at < free.from || at >= free.to) assert.equal(good, false, `byte ${at} ^ ${mask}`);
        if (!good) refused++;
      }
    }
    assert.ok(refused >= (bytes.length - (free.to - free.from)) * 4);
  });

  test(`${name} signature that is cut at any byte is refused`, () => {
    const bytes = Buffer.from(text);
    for (let end = 0; end < bytes.length; end++) {
      assert.equal(isGood(PUB, bytes.toString("utf8", 0, end)), false, `cut to ${end} bytes`);
    }
  });

  test(`${name} signature of a file with any bit changed is refused`, () => {
    for (const at of [0, 1, 63, 64, 127, 128, 50_000, MODULE.length - 1]) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = Buffer.from(MODULE);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        assert.equal(isGood(PUB, text, changed), false, `byte ${at}, bit ${bit}`);
      }
    }
    assert.equal(isGood(PUB, text, MODULE.subarray(1)), false);
    assert.equal(isGood(PUB, text, Buffer.concat([MODULE, Buffer.from([0])])), false);
  });
}

test("a public key with any character changed is refused or verifies nothing", () => {
  for (let at = 0; at < PUB.length; at++) {
    for (const mask of [1, 2, 4, 0x20]) {
      const other = String.fromCharCode(PUB.charCodeAt(at) ^ mask);
      const changed = `${PUB.slice(0, at)}${other}${PUB.slice(at + 1)}`;
      assert.equal(isGood(changed, PREHASHED), false, `character ${at} is ${other}`);
    }
  }
});

test("a signature is not good under the comment of another one by the same key", () => {
  const [untrusted, first] = PREHASHED.split("\n");
  const [, , trusted, second] = LEGACY.split("\n");
  const mixed = [untrusted, first, trusted, second, ""].join("\n");
  assert.ok(verifiesFile(parsePublicKey(PUB), parseSignature(mixed), MODULE));
  assert.equal(isGood(PUB, mixed), false);
});

test("a prehashed signature does not pass for a legacy one of the file's hash", () => {
  const ours = newSigner();
  const relabelled = ours.sign(MODULE, { algorithm: "Ed" });
  assert.equal(isGood(ours.publicKey, relabelled), false);
});

/** What is made of a good signature, and what is said of it. */
const MALFORMED: readonly [string, string, RegExp][] = [
  ["CRLF", PREHASHED.replaceAll("\n", "\r\n"), /^has a carriage return/],
  ["an empty text", "", /^has 0 lines, a signature has 4$/],
  ["a line too many", `${PREHASHED}\n`, /^has 5 lines, a signature has 4$/],
  ["two signatures", PREHASHED + PREHASHED, /^has 8 lines/],
  ["an empty line in front", `\n${PREHASHED}`, /^has 5 lines/],
  ["no line end", PREHASHED.slice(0, -1), /^does not end in a line end, so it is cut short$/],
  ["a byte order mark", `\ufeff${PREHASHED}`, /^does not have "untrusted comment: " at line 1$/],
  ["another prefix", PREHASHED.replace("trusted comment: k", "Trusted comment: k"), /at line 3$/],
  ["a space behind base64", PREHASHED.replace("=\n", "= \n"), /^has no canonical base64 at line 2$/],
  ["base64 without padding", PREHASHED.replace("=\n", "\n"), /^has no canonical base64 at line 2$/],
  ["a short line 2", PREHASHED.replace(/^RU.*$/m, "RUQ="), /^has 2 bytes at line 2, 74 are needed$/],
  ["a short line 4", PREHASHED.replace(/^.*==$/m, "QQ=="), /^has 1 bytes at line 4, 64 are needed$/],
  [
    "an escape",
    PREHASHED.replace("kleidi", "\u001b[2J"),
    /^has a control character in the comment of line 3$/,
  ],
  ["text that runs backwards", PREHASHED.replace("kleidi", "\u202e"), /^has a control character/],
  [
    "another algorithm",
    newSigner().sign(MODULE, { algorithm: "Sc" }),
    /^has the signature algorithm "Sc"; only "Ed" and "ED" are known$/,
  ],
  [
    "an algorithm of a control character",
    newSigner().sign(MODULE, { algorithm: "\u009b" }),
    /^has the signature algorithm 0xc29b; only "Ed" and "ED" are known$/,
  ],
];
for (const [name, text, said] of MALFORMED) {
  test(`parseSignature refuses ${name}`, () => {
    assert.throws(() => parseSignature(text), { message: said });
  });
}

test("parsePublicKey refuses what is no public key", () => {
  for (const line of ["", PUB.slice(0, -4), `${PUB}AAAA`, `${PUB}\n`, ` ${PUB}`, `${PUB_COMMENT}\n${PUB}\n`])
    assert.throws(() => parsePublicKey(line), MinisignError, line);
  const secret = readFileSync(join(folder, "k.key"), "utf8").split("\n")[1] ?? "";
  assert.throws(() => parsePublicKey(secret), MinisignError);
  const other = Buffer.from(PUB, "base64");
  other.write("ED");
  assert.throws(() => parsePublicKey(other.toString("base64")), {
    message: "the key is not one of minisign",
  });
});

test("a public key that is no point of the curve verifies nothing and throws nothing", () => {
  const head = Buffer.from(PUB, "base64").subarray(0, 10);
  for (const fill of [0x02, 0x7f, 0xff]) {
    const pub = Buffer.concat([head, Buffer.alloc(32, fill)]).toString("base64");
    assert.equal(isGood(pub, PREHASHED), false);
  }
});

// By the equation alone these verify: with a key of small order, h·A vanishes for many messages, so that R = S·B is enough.
test("a key of small order, as 32 zeros left as a placeholder are, verifies nothing that nobody signed", () => {
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
