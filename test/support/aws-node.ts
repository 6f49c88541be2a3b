/** A host's folder with its KEK in the AWS stand-in: nothing is created or started yet. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FakeAws, REGION } from "./aws/aws.ts";
import type { Identity } from "./aws/identities.ts";
import { Fixture, root, sha256Of } from "./fixture.ts";

export const awsModule = join(root, "providers", "aws.wasm");

/** The lines of a grant that the provider needs. */
export const ALLOW = ["DescribeKey", "Encrypt", "Decrypt"].map(
  (operation) => `POST / x-amz-target=TrentService.${operation}`,
);

export interface AwsNodeOptions {
  readonly aws: FakeAws;
  /** The setting `key`. */
  readonly key: string;
  /** `credential.aws`, without its Region. */
  readonly credential: Record<string, unknown>;
  /** Secret files in the host's folder: their names and contents. */
  readonly files?: Readonly<Record<string, string>>;
  /** Changes to the grant. */
  readonly net?: Record<string, unknown>;
  /** Further changes to the configuration. */
  readonly rest?: Record<string, unknown>;
}

export function awsConfig({ aws, key, credential, net = {}, rest = {} }: AwsNodeOptions): object {
  return {
    apiVersion: "kleidi.dev/v1",
    listen: { socket: "kms.sock" },
    providers: {
      aws: {
        module: awsModule,
        sha256: sha256Of(awsModule),
        grants: {
          net: {
            origin: aws.at.kms.origin,
            allow: ALLOW,
            credential: { aws: { region: REGION, ...credential } },
            ...net,
          },
        },
      },
    },
    keys: [{ name: "kek", provider: "aws", use: "active", settings: { key } }],
    status: { interval: "1s" },
    log: { level: "debug", file: "kleidi.log" },
    audit: { file: "audit.jsonl" },
    ...rest,
  };
}

export function awsNode(options: AwsNodeOptions): Fixture {
  const fixture = new Fixture();
  writeFiles(fixture, options.files);
  return fixture.write(JSON.stringify(awsConfig(options)));
}

export function writeFiles({ folder }: Fixture, files: AwsNodeOptions["files"] = {}): void {
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(folder, name), content, { mode: 0o600 });
}

/** The configuration and the file of long-lived keys. */
export function staticKeys({
  accessKeyId,
  secretAccessKey,
}: Identity): Pick<AwsNodeOptions, "credential" | "files"> {
  return {
    credential: { source: "keys", accessKeyId, secretAccessKey: { file: "secret" } },
    files: { secret: `${secretAccessKey}\n` },
  };
}
