/** Runs the example's configuration through the command line, with a virtual TPM and temporary folders. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { requireDebian } from "../../test/support/debian.ts";
import { Fixture, sha256Of } from "../../test/support/fixture.ts";
import { Swtpm } from "../../test/support/swtpm.ts";
import { tpmModule } from "../../test/support/tpm-node.ts";

requireDebian(["swtpm"]);

let tpm: Swtpm;
const fixture = new Fixture();
before(async () => {
  tpm = await Swtpm.start("unix");
});
after(async () => {
  await fixture.close();
  await tpm.stop();
});

test("the example creates its key and uses it", () => {
  const example = readFileSync(join(import.meta.dirname, "kleidi.yaml"), "utf8");
  const state = join(fixture.folder, "state");
  mkdirSync(state, { mode: 0o700 });
  const changes: [string, string][] = [
    ["/run/kleidi/kms.sock", fixture.socket],
    ["  group: kleidi-socket\n", ""],
    ["/var/lib/kleidi/state", state],
    ["providers/tpm.wasm", tpmModule],
    ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sha256Of(tpmModule)],
    ["/dev/tpmrm0", `"${tpm.device}"`],
  ];
  const text = changes.reduce((before, [from, to]) => {
    assert.ok(before.includes(from), `the example contains ${from}`);
    return before.replace(from, to);
  }, example);
  fixture.write(text);
  const made = fixture.run("key", "init");
  assert.equal(made.status, 0, made.stderr);
  const live = fixture.run("check", "--live");
  assert.equal(live.status, 0, live.stdout);
  assert.match(
    live.stdout,
    /ok {3}live kek-2026: Status, Encrypt and Decrypt through provider tpm succeeded/,
  );
});
