/** Runs the example's configuration through the command line, with the actions of its role, against the stand-in for Azure. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseConfig } from "../../host/config/parse.ts";
import { FakeAzure } from "../../test/support/azure/azure.ts";
import { azureModule, machineOf } from "../../test/support/azure-node.ts";
import { Fixture, root, sha256Of } from "../../test/support/fixture.ts";

const EXAMPLE = readFileSync(join(import.meta.dirname, "kleidi.yaml"), "utf8");

let azure: FakeAzure;
const fixture = new Fixture();
before(async () => {
  azure = await FakeAzure.start();
});
after(async () => {
  await fixture.close();
  await azure.close();
});

test("the example passes check --live", async () => {
  azure.vault.create("RSA", "kek");
  machineOf(azure);
  const changes: [string, string][] = [
    ["/run/kleidi/kms.sock", fixture.socket],
    ["  group: kleidi-socket\n", ""],
    ["providers/azure.wasm", azureModule],
    ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sha256Of(azureModule)],
    [
      "https://kek-vault.vault.azure.net",
      `${azure.at.vault.origin}\n        tls: { ca: ${azure.authority.file} }`,
    ],
    ["http://169.254.169.254", azure.at.metadata.origin],
  ];
  const text = changes.reduce((before, [from, to]) => {
    assert.ok(before.includes(from), `the example contains ${from}`);
    return before.replace(from, to);
  }, EXAMPLE);
  const { stdout } = await fixture.write(text).runAside("check", "--live");
  assert.match(stdout, /ok {3}live kek-2026: Status, Encrypt and Decrypt through provider azure succeeded/);
});

test("each credential of docs/operate/azure.md is valid in the place of the example's", () => {
  const page = readFileSync(join(root, "docs/operate/azure.md"), "utf8");
  const shown = [...page.matchAll(/^```yaml\n(azure:\n.*?)^```$/gms)];
  assert.equal(shown.length, 4);
  for (const [, credential = ""] of shown) {
    const indented = credential.trimEnd().replaceAll(/^/gm, "          ");
    const text = EXAMPLE.replace(/^ {10}azure:\n.*?(?=^keys:)/ms, `${indented}\n`);
    assert.notEqual(text, EXAMPLE);
    parseConfig(text, "/etc/kleidi/kleidi.yaml");
  }
});
