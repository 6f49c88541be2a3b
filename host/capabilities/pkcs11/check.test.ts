import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pkcs11 } from "./capability.ts";
import { checkFiles } from "./check.ts";
import { GRANT, type Pkcs11Config } from "./grant.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-check-"));
after(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: string | Uint8Array, mode: number) => {
  const path = join(folder, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
};
const elf = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
const module = file("module.so", elf, 0o755);
const pin = file("pin", "1234\n", 0o600);

function grantOf(changes: Record<string, unknown> = {}): Pkcs11Config {
  const grant = { module, token: "kleidi", pin: { file: pin }, keys: ["kek"], ...changes };
  return GRANT.parse(grant) as Pkcs11Config;
}

const contextOf = (grant: Pkcs11Config) => ({
  grants: new Map([["hsm", grant]]),
  section: undefined,
  pins: new Map<string, string>(),
});

test("checkFiles reports usable files", () => {
  const grant = grantOf({ reads: [pin], writes: [folder] });
  const [finding] = checkFiles(contextOf(grant));
  assert.deepEqual([finding?.subject, finding?.ok], ["pkcs11 hsm files", true]);
});

for (const [what, changes, detail] of [
  [
    "a module that is not there",
    { module: join(folder, "none") },
    /^the module .*none cannot be read \(ENOENT\)/,
  ],
  ["a module that is a folder", { module: folder }, /^the module .* is a folder/],
  ["a module that is a text", { module: pin }, /is not a 64-bit ELF file$/],
  [
    "a module of 32 bits",
    { module: file("old.so", Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1]), 0o755) },
    /is not a 64-bit ELF file$/,
  ],
  [
    "a module that others may write",
    { module: file("open.so", elf, 0o775) },
    /can be written by others .*mode 0775\)$/,
  ],
  ["a PIN that is not there", { pin: { file: join(folder, "none") } }, /^the PIN cannot be read \(.*ENOENT/],
  ["a PIN that others may read", { pin: { file: file("shown", "1234", 0o644) } }, /has the mode 0644/],
  ["a path to read that is not there", { reads: [join(folder, "none")] }, /none cannot be read \(ENOENT\)/],
  ["a path to write that is a file", { writes: [pin] }, /pin is not a folder \(ENOTDIR\)$/],
] as const) {
  test(`checkFiles reports ${what}`, () => {
    const [finding] = checkFiles(contextOf(grantOf(changes)));
    assert.equal(finding?.ok, false);
    assert.match(finding.detail, detail);
  });
}

test("the footprint has the module, the PIN and what the module may use", () => {
  const grant = grantOf({ reads: ["/etc/hsm.conf"], writes: ["/var/lib/hsm"], servers: ["10.0.0.7"] });
  assert.deepEqual(pkcs11.footprint(contextOf(grant)), {
    reads: [module, pin, "/etc/hsm.conf"],
    writes: ["/var/lib/hsm"],
    servers: ["10.0.0.7"],
  });
});

test("the reach names the token, the module and the keys", () => {
  assert.equal(pkcs11.grant.reach(grantOf()), `of token "kleidi" of ${module}, keys kek`);
});
