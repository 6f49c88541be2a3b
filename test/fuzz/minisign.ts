/** Untrusted signature files: host/module/trust/minisign.ts, and the verdict of the policy `trust` on them. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { KleidiError } from "../../host/error.ts";
import {
  MinisignError,
  parsePublicKey,
  parseSignature,
  verifiesComment,
  verifiesFile,
} from "../../host/module/trust/minisign.ts";
import { checkTrust } from "../../host/module/trust/trust.ts";
import { newSigner } from "../support/minisign.ts";
import { mutated } from "./bytes.ts";
import { assertSentence } from "./manifest.ts";
import type { Target } from "./target.ts";

const FILE = Buffer.from("\0asm\x01\0\0\0 and what follows");
const DAY = new Date("2026-06-15T12:00:00Z");
/** The same keys each time, so that corpus inputs keep their meaning. */
const OWN = newSigner(Buffer.from("0123456789abcdef", "hex"), "own");
/** Has the id of the other key. */
const FORGER = newSigner(Buffer.from("0123456789abcdef", "hex"), "forger");
const OTHER = newSigner(Buffer.from("00112233445566ff", "hex"), "other");
const POLICY = { keys: [{ name: "own", key: OWN.publicKey }], threshold: 1, revoked: [] };

const GOOD = [
  OWN.sign(FILE),
  OWN.sign(FILE, { legacy: true }),
  OWN.sign(FILE, { comment: "expires:2027-01-31 timestamp:1" }),
];
const BAD = [
  OWN.sign(FILE, { comment: "expires:2025-01-31" }),
  OWN.sign(FILE, { comment: "expires:2025-02-31" }),
  OWN.sign(FILE, { algorithm: "Ex" }),
  OWN.sign(Buffer.from("another file")),
  FORGER.sign(FILE),
  OTHER.sign(FILE),
];
/** Valid on the date of the policy. */
const SIGNED = new Set(GOOD.map((text) => vouchedOf(parseSignature(text))));
/** Signatures of the key for the file, with any trusted comment. */
const VERIFYING = new Set([...GOOD, ...BAD.slice(0, 2)].map((text) => vouchedOf(parseSignature(text))));

const piece = fc.oneof(
  fc.constantFrom(
    "\n",
    "\r\n",
    "\t",
    " ",
    "=",
    "==",
    "A",
    "/",
    "+",
    "-",
    "_",
    "\u0000",
    "\u001b[2J",
    "\u202e",
    "\u2028",
  ),
  fc.constantFrom("untrusted comment: ", "trusted comment: ", "expires:2020-01-01", "expires:", "ED", "Ed"),
  fc.constantFrom(...[...GOOD, ...BAD].flatMap((text) => text.split("\n"))),
  fc.string({ unit: "binary", maxLength: 12 }),
);
type Edit =
  | { readonly kind: "put" | "instead"; readonly at: number; readonly text: string }
  | { readonly kind: "drop" | "double" | "swap"; readonly at: number };
const at = fc.nat({ max: 200 });
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constantFrom("put" as const, "instead" as const), at, text: piece }),
  fc.record({ kind: fc.constantFrom("drop" as const, "double" as const, "swap" as const), at }),
);
const source = fc.constantFrom(...GOOD, ...GOOD, ...BAD);
/** Changes lines, words or characters of a signature file. */
const edited = fc
  .tuple(
    source,
    fc.constantFrom(/[^\n]*\n/g, /[A-Za-z0-9+/=]+|\s|./g, /[\s\S]/g),
    fc.array(edit, { maxLength: 3 }),
  )
  .map(([text, unit, edits]) => {
    const parts = text.match(unit) ?? [];
    for (const edit of edits) {
      const at = edit.at % (parts.length + 1);
      if (edit.kind === "put") parts.splice(at, 0, edit.text);
      else if (edit.kind === "instead") parts.splice(at, 1, edit.text);
      else if (edit.kind === "drop") parts.splice(at, 1);
      else if (edit.kind === "double") parts.splice(at, 0, ...parts.slice(at, at + 1));
      else parts.splice(at, 2, ...parts.slice(at, at + 2).reverse());
    }
    return parts.join("");
  });
const signature = fc.oneof(
  { weight: 4, arbitrary: edited },
  {
    weight: 4,
    arbitrary: mutated(
      source.map((text) => Buffer.from(text) as Uint8Array),
      3,
    ).map((bytes) => Buffer.from(bytes).toString()),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 300 }) },
);

type Read = ReturnType<typeof parseSignature>;

/** Everything that the key signed. */
function vouchedOf({ prehashed, signature, trustedComment, globalSignature }: Read): string {
  const [file, comment] = [signature, globalSignature].map((bytes) => Buffer.from(bytes).toString("hex"));
  return JSON.stringify([prehashed, file, trustedComment, comment]);
}

/** The file in its format, from the parsed signature and its first line. */
function written(
  text: string,
  { prehashed, keyId, signature, trustedComment, globalSignature }: Read,
): string {
  const head = Buffer.concat([Buffer.from(prehashed ? "ED" : "Ed"), Buffer.from(keyId, "hex").reverse()]);
  return [
    text.slice(0, text.indexOf("\n")),
    Buffer.concat([head, signature]).toString("base64"),
    `trusted comment: ${trustedComment}`,
    Buffer.from(globalSignature).toString("base64"),
    "",
  ].join("\n");
}

/** A clause without the values from the file: one text for each kind of refusal. */
const kindOf = (clause: string) => clause.replaceAll(/"[^"]*"|0x[0-9a-f]+|\d+/g, "…").slice(0, 60);

export const minisign: Target = {
  name: "minisign",
  open: async (seen) => ({
    properties: [
      {
        name: "a signature file is in the one canonical form of its content, or refused with a printable clause",
        cases: 2000,
        reaches: [
          "read, verifies",
          "read, does not verify",
          "has a carriage return; minisign ends its lines in LF",
          "does not end with a line feed, so it is truncated",
          "has … lines, a signature has …",
          "does not have canonical base…",
        ],
        property: fc.property(signature, (text) => {
          try {
            const read = parseSignature(text);
            assert.equal(written(text, read), text);
            const key = parsePublicKey(OWN.publicKey);
            const verifies = verifiesFile(key, read, FILE) && verifiesComment(key, read);
            assert.equal(verifies, VERIFYING.has(vouchedOf(read)));
            seen(verifies ? "read, verifies" : "read, does not verify");
          } catch (error) {
            if (!(error instanceof MinisignError)) throw error;
            assertSentence(error.message);
            seen(kindOf(error.message).replace(/ at .*/, ""));
          }
        }),
      },
      {
        name: "a public key is in the one canonical form of its content, or refused",
        cases: 500,
        reaches: ["read", "refused"],
        property: fc.property(
          mutated(
            fc.constantFrom(...[OWN, OTHER].map(({ publicKey }) => Buffer.from(publicKey) as Uint8Array)),
            2,
          ),
          (bytes) => {
            const line = Buffer.from(bytes).toString();
            try {
              const { id, bytes: key } = parsePublicKey(line);
              const head = Buffer.concat([Buffer.from("Ed"), Buffer.from(id, "hex").reverse()]);
              assert.equal(Buffer.concat([head, key]).toString("base64"), line);
              seen("read");
            } catch (error) {
              if (!(error instanceof MinisignError)) throw error;
              assertSentence(error.message);
              seen("refused");
            }
          },
        ),
      },
      {
        name: "a module is trusted only for a complete signature of a trusted key, regardless of the files beside it",
        cases: 800,
        reaches: ["trusted", "refused"],
        property: fc.property(
          fc.array(signature, { maxLength: 3 }),
          mutated(fc.constant(FILE as Uint8Array), 1),
          (texts, module) => {
            const files = texts.map((text, i) => ({ path: `/${i}`, text }));
            const sha256 = createHash("sha256").update(module).digest("hex");
            const good = Buffer.compare(module, FILE) === 0 && texts.some(isSigned);
            try {
              const { signers } = checkTrust(POLICY, "p", module, sha256, files, DAY);
              assert.ok(good);
              assert.deepEqual(
                signers.map(({ keyId }) => keyId),
                [OWN.keyId],
              );
              seen("trusted");
            } catch (error) {
              if (!(error instanceof KleidiError)) throw error;
              assert.equal(error.code, "module-untrusted");
              assert.ok(!good, error.message);
              assert.doesNotMatch(error.message, /[\p{Cc}\p{Zl}\p{Zp}]/u);
              seen("refused");
            }
          },
        ),
      },
    ],
  }),
};

function isSigned(text: string): boolean {
  try {
    const read = parseSignature(text);
    return read.keyId === OWN.keyId && SIGNED.has(vouchedOf(read));
  } catch {
    return false;
  }
}
