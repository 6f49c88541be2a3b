/** The commands of a key's life with composed keys: what they refuse, and what they do instead. No host runs. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { parse } from "yaml";
import { parseConfig } from "../../host/config/parse.ts";
import { LEAVE_AFTER_MS, RETURN_AFTER_MS } from "../../host/kms/composed/member-set.ts";
import { composedConfig } from "../support/composed-node.ts";
import { Fixture, localConfig, root } from "../support/fixture.ts";

let fixture: Fixture;
beforeEach(() => {
  const parts = [
    { name: "one", use: "decrypt" },
    { name: "two", use: "decrypt" },
    { name: "kek", use: "active" },
  ] as const;
  const config = JSON.parse(localConfig(parts));
  for (const key of config.keys) if (key.name !== "kek") key.use = "member";
  config.keys.unshift({ name: "both", anyOf: ["one", "two"], use: "decrypt" });
  fixture = new Fixture().write(JSON.stringify(config));
  for (const { name } of parts) fixture.keyInit(name);
});
afterEach(() => fixture.close());

function refused(...command: string[]) {
  const before = fixture.readConfig();
  const { status, stdout, stderr } = fixture.run("key", ...command, "--json");
  assert.notEqual(stdout, "", stderr);
  assert.equal(fixture.readConfig(), before);
  const { code, message, hint } = JSON.parse(stdout);
  return { status, code, message, hint };
}

test("docs/operate/two-kms.md shows a valid configuration, and the times of the code", () => {
  const page = readFileSync(join(root, "docs", "operate", "two-kms.md"), "utf8");
  const [, yaml = ""] = /^```yaml\n(keys:\n[\s\S]*?)^```/m.exec(page) ?? [];
  const { keys } = parse(yaml);
  const text = composedConfig({ origin: "http://127.0.0.1:8200", device: "/dev/tpmrm0", keys });
  assert.deepEqual(
    parseConfig(text, "/etc/k.yaml").keys.map(({ use }) => use),
    ["decrypt", "member", "member", "active"],
  );
  assert.match(page, new RegExp(`^\\| ${LEAVE_AFTER_MS / 1000} s later`, "m"));
  assert.match(page, new RegExp(`good for ${RETURN_AFTER_MS / 1000} s`));
});

test("key list shows the members of a composed key", () => {
  const { stdout } = fixture.run("key", "list");
  assert.match(stdout, /^ok {3}key both: decrypt, anyOf of one and two/m);
  assert.match(stdout, /^ok {3}key one: member, fingerprint/m);
  assert.doesNotMatch(stdout, /promote one/);
});

test("check warns of two members of one provider, and check --live uses the keys", () => {
  const { status, stdout } = fixture.run("check", "--live");
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^warn key both: anyOf of one and two, two of which are of provider local/m);
  assert.match(stdout, /^ok {3}live both: Status through one and two succeeded/m);
});

for (const name of ["both", "one"])
  test(`key rotate ${name} is refused, and names the command that works`, () => {
    const { status, code, message } = refused("rotate", name);
    assert.deepEqual([status, code], [1, "key-change-refused"]);
    assert.match(message, /in the KMS of provider local.*kleidi key refresh/);
  });

test("a member cannot be retired while a key names it, even by force", () => {
  const { status, code, message } = refused("retire", "one", "--force");
  assert.deepEqual([status, code], [1, "key-change-refused"]);
  assert.match(message, /it is a member of key "both"/);
});

test("a composed key is promoted, and then the proof of another key's retirement needs more than the operator", () => {
  const promoted = fixture.run("key", "promote", "both", "--force");
  assert.equal(promoted.status, 0, promoted.stderr);
  const uses = parse(fixture.readConfig()).keys.map(({ use }: { use: string }) => use);
  assert.deepEqual(uses, ["active", "member", "member", "decrypt"]);
  const { status, message } = refused("retire", "kek");
  assert.equal(status, 1);
  assert.match(message, /objects may need it, and there is no proof/);
});
