/**
 * A cluster moves from aws-encryption-provider to kleidí: the walk of takeover-walk.ts with the stand-in for AWS KMS. In the plugin's place
 * AWS's SDK makes the plugin's two requests; with the path of a real one in KLEIDI_TEST_AWS_PLUGIN, that one runs.
 */
import { describe } from "node:test";
import { parse } from "yaml";
import { FakeAws } from "../support/aws/aws.ts";
import { type FakeKey, rotate } from "../support/aws/kms.ts";
import { startAwsEncryptionProvider } from "../support/aws-encryption-provider.ts";
import { awsConfig, staticKeys, writeFiles } from "../support/aws-node.ts";
import { Page } from "../support/page.ts";
import { walkTakeover } from "./takeover-walk.ts";

const page = new Page("operate/from-aws-encryption-provider.md");
const [shown = ""] = page.blocks("Configure both keys", "yaml");
const { keys, providers } = parse(shown);
const [current, old] = keys;

describe("from aws-encryption-provider to kleidí", () => {
  let aws: FakeAws;
  let oldKey: FakeKey;

  walkTakeover({
    plugin: "aws-encryption-provider",
    page,
    oldKey: old.name,
    keyIds: [old.settings.key, old.settings.key],
    async start() {
      aws = await FakeAws.start();
      for (const { settings } of [current, old])
        aws.kms.keys.set(settings.key, { ...aws.kms.create(), arn: settings.key });
      oldKey = aws.kms.keys.get(old.settings.key) ?? oldKey;
    },
    async configure(fixture) {
      const { credential, files } = staticKeys(aws.user("kleidi"));
      writeFiles(fixture, files);
      const net = { allow: providers.aws.grants.net.allow };
      const rest = { keys, admin: { listen: "unix:admin.sock" } };
      fixture.write(JSON.stringify(awsConfig({ aws, key: current.settings.key, credential, net, rest })));
    },
    serve: (socket) => startAwsEncryptionProvider(aws, old.settings, socket),
    rotate: async () => rotate(oldKey),
    async deleteKey() {
      oldKey.state = "PendingDeletion";
    },
    stop: async () => await aws?.close(),
  });
});
