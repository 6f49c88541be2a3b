import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Authority } from "../../../test/support/certificates.ts";
import { readPem } from "./pem.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-pem-"));
after(() => rmSync(folder, { recursive: true }));
const authority = new Authority(join(folder, "ca"));
const { cert, key } = authority.client("client");
const [ca, own, secret] = [authority.pem, readFileSync(cert, "utf8"), readFileSync(key, "utf8")];
const damaged = own.replace(/\n[^\n]{8}/, "\nAAAAAAAA");

const read = (text: string) => {
  const { certificates, faults } = readPem(Buffer.from(text, "latin1"));
  return { names: certificates.map(({ subject }) => subject), faults };
};
const [CA, OWN] = ["CN=kleidi test CA", "CN=client"];

test("every certificate is read, between text, keys, and with the line ends and marks of other systems", () => {
  for (const text of [
    ca + own,
    `# the CA\n${ca}\nand ours: x\n${secret}${own}`,
    `\xef\xbb\xbf${(ca + own).replaceAll("\n", "\r\n")}`,
  ])
    assert.deepEqual(read(text), { names: [CA, OWN], faults: [] });
});

test("a TRUSTED CERTIFICATE of openssl is read", () => {
  const trusted = execFileSync("openssl", ["x509", "-trustout", "-in", cert], { encoding: "utf8" });
  assert.match(trusted, /BEGIN TRUSTED CERTIFICATE/);
  assert.deepEqual(read(trusted), { names: [OWN], faults: [] });
});

test("a damaged certificate is named by its position, and those after it are read", () => {
  const line = ca.split("\n").length;
  assert.deepEqual(read(ca + damaged + own), {
    names: [CA, OWN],
    faults: [`certificate 2, which begins in line ${line}, cannot be read`],
  });
});

test("a boundary that is missing or wrong is named by its line", () => {
  const begin = "-----BEGIN CERTIFICATE-----";
  const end = "-----END CERTIFICATE-----";
  assert.deepEqual(read(`${begin}\nbroken\n`).faults, ["the CERTIFICATE that begins in line 1 has no end"]);
  assert.deepEqual(read(`${begin}\nbroken\n${ca}`), {
    names: [CA],
    faults: ["the CERTIFICATE that begins in line 1 has no end"],
  });
  assert.deepEqual(read(own.replace(begin, "----- BEGIN CERTIFICATE")).faults, [
    "line 1 is neither a BEGIN nor an END of PEM",
    `line ${own.trimEnd().split("\n").length} ends a CERTIFICATE that did not begin`,
  ]);
  assert.deepEqual(read(own.replace(end, `  ${end}`)).names, []);
});
