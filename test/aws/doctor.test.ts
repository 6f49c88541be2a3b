/** kleidi doctor with the stand-in for AWS: the identity of the host, and the statement that its policy lacks. */
import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { after, before, test } from "node:test";
import { ACCOUNT, FakeAws, KEY_USE } from "../support/aws/aws.ts";
import { type AwsNodeOptions, awsNode, staticKeys } from "../support/aws-node.ts";

let aws: FakeAws;
before(async () => {
  aws = await FakeAws.start();
});
after(() => aws.close());

/** The lines that a command prints, and its exit code. */
async function run(
  command: "doctor" | "doctor --live",
  options: Omit<AwsNodeOptions, "aws">,
): Promise<{ status: number; text: string }> {
  const fixture = awsNode({ aws, ...options });
  try {
    return await fixture.runAside(...command.split(" ")).then(
      ({ stdout }) => ({ status: 0, text: stdout }),
      ({ code, stdout }: { code: number; stdout: string }) => ({ status: code, text: stdout }),
    );
  } finally {
    await fixture.close();
  }
}

test("names the identity, and finds the key", async () => {
  const [user, key] = [aws.user("kek"), aws.kms.create()];
  const { credential, files = {} } = staticKeys(user);
  const sts = aws.at.sts.origin;
  const { status, text } = await run("doctor", { key: key.arn, files, credential: { ...credential, sts } });
  assert.equal(status, 0, text);
  assert.match(text, /^ok {3}net aws login: the host has a token of AWS by keys$/m);
  assert.ok(text.includes(`ok   net aws identity: the host is arn:aws:iam::${ACCOUNT}:user/kek\n`), text);
  assert.ok(text.includes(`ok   net aws key kek: version ${key.arn}, 0 older versions\n`), text);
  assert.ok(!text.includes(user.secretAccessKey));
});

test("prints the statement that a policy lacks, for each action of the provider", async () => {
  for (const action of KEY_USE) {
    const user = aws.user(
      `without-${action.slice(4)}`,
      KEY_USE.filter((each) => each !== action),
    );
    const { arn } = aws.kms.create();
    const { status, text } = await run("doctor --live", { key: arn, ...staticKeys(user) });
    assert.equal(status, 1);
    assert.match(text, /^ok {3}net aws identity: not known: credential\.aws\.sts is not configured$/m);
    const statement = JSON.stringify({ Effect: "Allow", Action: action, Resource: arn });
    assert.ok(text.includes(statement), text);
    // With it, the key works.
    user.allowed = new Set([...user.allowed, (JSON.parse(statement) as { Action: string }).Action]);
    if (action === "kms:Decrypt")
      assert.equal((await run("doctor --live", { key: arn, ...staticKeys(user) })).status, 0);
  }
});

test("prints the statement for a role that may not be assumed", async () => {
  const arn = `arn:aws:iam::${ACCOUNT}:role/kek`;
  const { credential, files = {} } = staticKeys(aws.user("outsider"));
  const assume = { sts: aws.at.sts.origin, assume: [{ role: arn }] };
  const { status, text } = await run("doctor", {
    ...{ key: aws.kms.create().arn, files, credential: { ...credential, ...assume } },
  });
  assert.equal(status, 1);
  const statement = JSON.stringify({ Effect: "Allow", Action: "sts:AssumeRole", Resource: arn });
  assert.match(
    text,
    /^FAIL net aws login: AssumeRole at 127\.0\.0\.1:\d+ was refused \(403, AccessDenied\)/m,
  );
  assert.ok(text.includes(statement), text);
});

test("tells a machine without a role, and a metadata service beyond its hop limit", async () => {
  const credential = { source: "instance", endpoint: aws.at.metadata.origin };
  const key = aws.kms.create().arn;
  aws.metadata.role = undefined;
  assert.match((await run("doctor", { key, credential })).text, /has no instance profile; attach one/);
  aws.metadata.role = "node-role";
  aws.metadata.isBeyondHopLimit = true;
  try {
    assert.match((await run("doctor", { key, credential })).text, /--http-put-response-hop-limit 2/);
  } finally {
    aws.metadata.isBeyondHopLimit = false;
  }
});

test("check reports a secret file that others may read, and contacts nobody", async () => {
  const before = aws.at.kms.requests.length;
  const fixture = awsNode({ aws, key: "alias/kek", ...staticKeys(aws.user("check")) });
  try {
    assert.equal(fixture.run("check").status, 0);

    chmodSync(`${fixture.folder}/secret`, 0o644);
    const { status, stdout } = fixture.run("check");
    assert.equal(status, 1);
    assert.match(stdout, /^FAIL net aws files: .*0644/m);
    assert.equal(aws.at.kms.requests.length, before);
  } finally {
    await fixture.close();
  }
});
