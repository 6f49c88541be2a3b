/** Runs the example's configuration through the command line, with the actions of its policy, against the stand-in for AWS. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseConfig } from "../../host/config/parse.ts";
import { FakeAws } from "../../test/support/aws/aws.ts";
import { awsModule } from "../../test/support/aws-node.ts";
import { Fixture, root, sha256Of } from "../../test/support/fixture.ts";

const EXAMPLE = readFileSync(join(import.meta.dirname, "kleidi.yaml"), "utf8");
const ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

let aws: FakeAws;
const fixture = new Fixture();
before(async () => {
  aws = await FakeAws.start();
});
after(async () => {
  await fixture.close();
  await aws.close();
});

test("the example passes check --live, with the actions of its policy", async () => {
  const policy = JSON.parse(readFileSync(join(import.meta.dirname, "policy.json"), "utf8"));
  const [{ Action, Resource }] = policy.Statement;
  assert.equal(Resource, ARN);
  aws.metadata.identity = aws.session("node-role", 3_600_000, Action);
  const changes: [string, string][] = [
    ["/run/kleidi/kms.sock", fixture.socket],
    ["  group: kleidi-socket\n", ""],
    ["providers/aws.wasm", awsModule],
    ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sha256Of(awsModule)],
    ["https://kms.eu-central-1.amazonaws.com", aws.at.kms.origin],
    ["http://169.254.169.254", aws.at.metadata.origin],
    ["https://sts.eu-central-1.amazonaws.com", aws.at.sts.origin],
    [ARN, aws.kms.create().arn],
  ];
  const text = changes.reduce((before, [from, to]) => {
    assert.ok(before.includes(from), `the example contains ${from}`);
    return before.replace(from, to);
  }, EXAMPLE);
  const { stdout } = await fixture.write(text).runAside("check", "--live");
  assert.match(stdout, /ok {3}live kek-2026: Status, Encrypt and Decrypt through provider aws succeeded/);
});

test("each credential of docs/operate/aws.md is valid in the place of the example's", () => {
  const page = readFileSync(join(root, "docs/operate/aws.md"), "utf8");
  const shown = [...page.matchAll(/^```yaml\n(aws:\n.*?)^```$/gms)];
  assert.equal(shown.length, 5);
  for (const [, credential = ""] of shown) {
    const indented = credential.trimEnd().replaceAll(/^/gm, "          ");
    const text = EXAMPLE.replace(/^ {10}aws:\n.*?(?=^keys:)/ms, `${indented}\n`);
    assert.notEqual(text, EXAMPLE);
    parseConfig(text, "/etc/kleidi/kleidi.yaml");
  }
});
