import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { Authority } from "../../../test/support/certificates.ts";
import { revocationTimes } from "./crl.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-crl-"));
after(() => rmSync(folder, { recursive: true }));
const authority = new Authority(join(folder, "ca"));
const DAY_MS = 86_400_000;

/** The times as openssl prints them. */
function printed(path: string): number[] {
  const text = execFileSync("openssl", ["crl", "-in", path, "-noout", "-lastupdate", "-nextupdate"], {
    encoding: "utf8",
  });
  return [...text.matchAll(/=(.*)$/gm)].map(([, time]) => Date.parse(time ?? ""));
}

for (const [what, path] of [
  ["with UTCTime", authority.revocations("short")],
  ["with GeneralizedTime, after 2050", authority.revocations("long", { endsInDays: 30 * 365 })],
  [
    "with entries",
    authority.revocations("used", { revoked: [authority.server("a"), authority.server("b")] }),
  ],
] as const)
  test(`the times of a list ${what} are those that openssl reads`, () => {
    const times = revocationTimes(readFileSync(path, "utf8"));
    assert.deepEqual([times?.thisUpdate, times?.nextUpdate], printed(path));
  });

/** A list of the version 1 in DER, with these elements after its issuer. */
function listWith(...elements: readonly (readonly [tag: number, text: string])[]): string {
  const element = (tag: number, content: Uint8Array) =>
    Buffer.concat([Buffer.of(tag, content.length), content]);
  const empty = element(0x30, Buffer.of());
  const times = elements.map(([tag, text]) => element(tag, Buffer.from(text)));
  const der = element(0x30, element(0x30, Buffer.concat([empty, empty, ...times])));
  return `-----BEGIN X509 CRL-----\n${der.toString("base64")}\n-----END X509 CRL-----`;
}

test("a list without nextUpdate, and one whose times are malformed, have no times", () => {
  assert.equal(revocationTimes(listWith([0x17, "260101000000Z"])), undefined);
  assert.equal(revocationTimes(listWith([0x17, "260101000000Z"], [0x17, "soon"])), undefined);
  assert.deepEqual(revocationTimes(listWith([0x17, "991231235959Z"], [0x18, "20260101000000Z"])), {
    thisUpdate: Date.UTC(1999, 11, 31, 23, 59, 59),
    nextUpdate: Date.UTC(2026, 0, 1),
  });
});

test("a truncated or changed list has no times or some, and throws nothing", () => {
  const der = Buffer.from(
    readFileSync(authority.revocations("any"), "utf8").replace(/-----.*/g, ""),
    "base64",
  );
  fc.assert(
    fc.property(fc.nat(der.length), fc.nat(der.length - 1), fc.nat(255), (length, at, value) => {
      const bytes = Buffer.from(der);
      bytes[at] = value;
      revocationTimes(bytes.subarray(0, length).toString("base64"));
    }),
  );
  assert.ok((revocationTimes(der.toString("base64"))?.nextUpdate ?? 0) > Date.now() - DAY_MS);
});
