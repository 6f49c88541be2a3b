/** The gcp provider passes the conformance kit against the stand-in for Google Cloud: all levels, and a rotation. */
import { after, before, test } from "node:test";
import { assertPassesKit, withRotator } from "../support/conformance-run.ts";
import { FakeGcp } from "../support/gcp/gcp.ts";
import { rotate } from "../support/gcp/kms.ts";
import { gcpModule, gcpNode, machineOf } from "../support/gcp-node.ts";

let gcp: FakeGcp;
before(async () => {
  gcp = await FakeGcp.start();
});
after(() => gcp.close());

test("gcp passes all levels", async (t) => {
  const key = gcp.kms.create();
  const node = gcpNode({ gcp, key: key.name, ...machineOf(gcp) });
  try {
    await withRotator(
      () => rotate(key),
      (program) => assertPassesKit(t, { module: gcpModule, config: node.config, rotate: program }),
    );
  } finally {
    await node.close();
  }
});
