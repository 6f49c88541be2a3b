/** Runs the example's configuration through the command line, with the permissions of its roles, against the stand-in for Google Cloud. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseConfig } from "../../host/config/parse.ts";
import { Fixture, root, sha256Of } from "../../test/support/fixture.ts";
import { FakeGcp } from "../../test/support/gcp/gcp.ts";
import { gcpModule } from "../../test/support/gcp-node.ts";

const EXAMPLE = readFileSync(join(import.meta.dirname, "kleidi.yaml"), "utf8");
const KEY = "projects/my-project/locations/europe-west3/keyRings/clusters/cryptoKeys/kek";

let gcp: FakeGcp;
const fixture = new Fixture();
before(async () => {
  gcp = await FakeGcp.start();
});
after(async () => {
  await fixture.close();
  await gcp.close();
});

test("the example passes check --live", async () => {
  const changes: [string, string][] = [
    ["/run/kleidi/kms.sock", fixture.socket],
    ["  group: kleidi-socket\n", ""],
    ["providers/gcp.wasm", gcpModule],
    ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sha256Of(gcpModule)],
    ["https://cloudkms.googleapis.com", gcp.at.kms.origin],
    ["http://169.254.169.254", gcp.at.metadata.origin],
    [KEY, gcp.kms.create().name],
  ];
  const text = changes.reduce((before, [from, to]) => {
    assert.ok(before.includes(from), `the example contains ${from}`);
    return before.replaceAll(from, to);
  }, EXAMPLE);
  const { stdout } = await fixture.write(text).runAside("check", "--live");
  assert.match(stdout, /ok {3}live kek-2026: Status, Encrypt and Decrypt through provider gcp succeeded/);
});

test("each credential of docs/operate/gcp.md is valid in the place of the example's", () => {
  const page = readFileSync(join(root, "docs/operate/gcp.md"), "utf8");
  const shown = [...page.matchAll(/^```yaml\n(gcp:\n.*?)^```$/gms)];
  assert.equal(shown.length, 3);
  for (const [, credential = ""] of shown) {
    const indented = credential.trimEnd().replaceAll(/^/gm, "          ");
    const text = EXAMPLE.replace(/^ {10}gcp:\n.*?(?=^keys:)/ms, `${indented}\n`);
    assert.notEqual(text, EXAMPLE);
    parseConfig(text, "/etc/kleidi/kleidi.yaml");
  }
});
