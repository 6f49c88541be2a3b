/** Sets up SoftHSM as docs/operate/pkcs11.md shows, and runs the example's configuration on it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { requireDebian } from "../../test/support/debian.ts";
import { Fixture, sha256Of } from "../../test/support/fixture.ts";
import { Page } from "../../test/support/page.ts";
import { pkcs11Module } from "../../test/support/pkcs11-node.ts";

const EXAMPLE = readFileSync(join(import.meta.dirname, "kleidi.yaml"), "utf8");
const PAGE = new Page("operate/pkcs11.md");

const fixture = new Fixture();
after(() => fixture.close());

/** The text with the folders of this test. */
const moved = (text: string) =>
  text.replaceAll("/etc/kleidi", fixture.folder).replaceAll("/var/lib/kleidi", fixture.folder);

test("the example passes doctor --live on a token that was set up as the page shows", async () => {
  requireDebian(["openssl", "opensc", "softhsm2"]);
  const setUp = ["Set up", "Create the token and the key"]
    .flatMap((heading) => PAGE.commands(heading))
    .filter((line) => !line.startsWith("apt-get "))
    .join("\n")
    .replaceAll("-o kleidi", `-o ${process.getuid?.()}`);
  execFileSync("sh", ["-e", "-c", moved(setUp)], { stdio: ["ignore", "ignore", "pipe"] });
  const changes: [string, string][] = [
    ["/run/kleidi/kms.sock", fixture.socket],
    ["  group: kleidi-socket\n", ""],
    ["providers/pkcs11.wasm", pkcs11Module],
    ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sha256Of(pkcs11Module)],
  ];
  const text = changes.reduce((before, [from, to]) => {
    assert.ok(before.includes(from), `the example contains ${from}`);
    return before.replace(from, to);
  }, moved(EXAMPLE));
  const { stdout } = await fixture.write(text).runAside("doctor", "--live");
  assert.match(stdout, /ok {3}token kleidi key kek-2026: AES-256, not extractable/);
  assert.match(stdout, /ok {3}live kek-2026: Status, Encrypt and Decrypt through provider hsm succeeded/);
});
