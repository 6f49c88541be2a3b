import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSentence, thrown } from "../../../test/support/thrown.ts";
import * as tpm from "../../../test/support/tpm-commands.ts";
import {
  ALGORITHMS,
  ask,
  BANKS,
  COMMAND_CODES,
  CURVES,
  isSupported,
  propertiesFrom,
  readPage,
  testAes128Cfb,
} from "./capabilities.ts";

/** A response without sessions: header, then these bytes. */
function response(hex: string, { rc = 0, tag = 0x8001 }: { rc?: number; tag?: number } = {}): Uint8Array {
  const body = Buffer.from(hex.replaceAll(" ", ""), "hex");
  const head = Buffer.alloc(10);
  head.writeUInt16BE(tag, 0);
  head.writeUInt32BE(10 + body.length, 2);
  head.writeUInt32BE(rc, 6);
  return Uint8Array.from(Buffer.concat([head, body]));
}

test("readPage reads algorithms to the end of the list", () => {
  // no more, TPM_CAP_ALGS, two entries: SHA-256 and ECC with attributes
  const page = readPage(ALGORITHMS, 0, response("00 00000000 00000002 000b00000004 002300000009"));
  assert.deepEqual(page, { entries: [0x0b, 0x23] });
});

test("readPage returns the position of further entries", () => {
  const page = readPage(propertiesFrom(0x100), 0x100, response("01 00000006 00000001 00000105 49424d00"));
  assert.deepEqual(page, { entries: [{ tag: 0x105, value: 0x49424d00 }], next: 0x106 });
});

test("readPage keeps the number and the vendor bit of a command's attributes", () => {
  const page = readPage(COMMAND_CODES, 0, response("00 00000002 00000001 04400155"));
  assert.deepEqual(page, { entries: [0x155] });
});

const HOSTILE: [what: string, bytes: Uint8Array][] = [
  ["no bytes", new Uint8Array()],
  ["a truncated header", response("").subarray(0, 9)],
  ["another tag", response("00 00000000 00000000", { tag: 0x1234 })],
  ["an error", response("", { rc: 0x101 })],
  ["another capability", response("00 00000006 00000000")],
  ["2^32 - 1 entries", response("00 00000000 ffffffff")],
  ["fewer entries than declared", response("00 00000000 00000002 000b00000004")],
  ["bytes after the last entry", response("00 00000000 00000001 000b00000004 00")],
];
for (const [what, bytes] of HOSTILE) {
  test(`readPage refuses ${what}`, (t) => {
    assertSentence(t, thrown(() => readPage(ALGORITHMS, 0, bytes)).message);
  });
}

test("readPage refuses entries before the requested position, which would cause a loop", (t) => {
  const bytes = response("01 00000000 00000001 000b00000004");
  assertSentence(t, thrown(() => readPage(ALGORITHMS, 0x20, bytes)).message);
});

test("isSupported distinguishes supported, unsupported and unknown", () => {
  assert.equal(isSupported(response("")), true);
  assert.equal(isSupported(response("", { rc: 0x2d2 })), false);
  assert.equal(isSupported(response("", { rc: 0x143 })), undefined);
});

test("readPage counts the PCRs of each bank", () => {
  const page = readPage(BANKS, 0, response("00 00000005 00000003 000b03ffffff 000403000180 000c0400000000"));
  const entries = [
    { hash: 0x0b, pcrs: 24 },
    { hash: 0x04, pcrs: 2 },
    { hash: 0x0c, pcrs: 0 },
  ];
  assert.deepEqual(page, { entries });
});

test("readPage reads curves and the vendor bit of a command", () => {
  assert.deepEqual(readPage(CURVES, 0, response("00 00000008 00000002 0003 0004")), { entries: [3, 4] });
  assert.deepEqual(readPage(COMMAND_CODES, 0, response("00 00000002 00000001 22000001")), {
    entries: [0x20000001],
  });
});

test("readPage continues after an entry at the requested position", () => {
  const page = readPage(ALGORITHMS, 0x0b, response("01 00000000 00000001 000b00000004"));
  assert.deepEqual(page, { entries: [0x0b], next: 0x0c });
});

test("each list is requested from its first entry, with as many entries as fit into a response", () => {
  const properties = propertiesFrom(0x200);
  assert.deepEqual(
    [
      ask(ALGORITHMS, ALGORITHMS.first),
      ask(COMMAND_CODES, COMMAND_CODES.first),
      ask(CURVES, CURVES.first),
      ask(BANKS, BANKS.first),
      ask(properties, properties.first),
    ],
    [
      tpm.getCapability(0, 0, 120),
      tpm.getCapability(2, 0, 120),
      tpm.getCapability(8, 0, 120),
      tpm.getCapability(5, 0, 16),
      tpm.getCapability(6, 0x200, 120),
    ],
  );
});

test("testAes128Cfb asks for AES with 128 bits in CFB", () => {
  assert.equal(Buffer.from(testAes128Cfb()).toString("hex"), "8001000000120000018a0025000600800043");
});
