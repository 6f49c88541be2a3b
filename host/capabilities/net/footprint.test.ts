import assert from "node:assert/strict";
import { test } from "node:test";
import { footprintOf } from "./footprint.ts";
import { GRANT } from "./grant.ts";

test("the footprint has the servers and the files of a login that asks others than the origin", () => {
  const grant = GRANT.parse({
    origin: "https://kms.eu-central-1.amazonaws.com",
    allow: ["POST / x-amz-target=TrentService.Decrypt"],
    credential: {
      aws: {
        region: "eu-central-1",
        source: "container",
        endpoint: "http://[fd00:ec2::23]/v1/credentials",
        file: "/run/token",
        sts: "https://sts.eu-central-1.amazonaws.com",
        assume: [{ role: "arn:aws:iam::111122223333:role/kek" }],
      },
    },
  });
  assert.ok(grant);
  assert.deepEqual(footprintOf([grant]), {
    reads: ["/run/token"],
    servers: ["kms.eu-central-1.amazonaws.com", "sts.eu-central-1.amazonaws.com", "fd00:ec2::23"],
  });
});
