/** The gcp provider passes the conformance kit against the stand-in for Google Cloud: all levels, and a rotation. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { kleidi } from "../support/fixture.ts";
import { FakeGcp } from "../support/gcp/gcp.ts";
import { rotate } from "../support/gcp/kms.ts";
import { gcpModule, gcpNode, machineOf } from "../support/gcp-node.ts";
import { Listener } from "../support/listener.ts";

let gcp: FakeGcp;
before(async () => {
  gcp = await FakeGcp.start();
});
after(() => gcp.close());

test("gcp passes all levels", async (t) => {
  const key = gcp.kms.create();
  const rotator = await Listener.start(
    () => {
      rotate(key);
      return { status: 200, body: "" };
    },
    () => Date.now(),
  );
  const node = gcpNode({ gcp, key: key.name, ...machineOf(gcp) });
  const post = `fetch("${rotator.origin}").then(({ok})=>process.exit(ok?0:1))`;
  try {
    const stdout = await new Promise<string>((resolve) => {
      const command = ["provider", "test", gcpModule, "--config", node.config];
      command.push("--rotate", `'${process.execPath}' -e '${post}'`);
      execFile(kleidi, command, { timeout: 400_000 }, (_error, out, err) => resolve(out + err));
    });
    assert.match(stdout, /^# pass \d+, fail 0, warn 0, skip \d+$/m, stdout);
    for (const name of ["seeds_64_at_once", "key_rotated", "ciphertext_with_each_byte_changed"])
      assert.match(stdout, new RegExp(`^ok \\d+ - \\w+: ${name}$`, "m"), stdout);
    t.diagnostic(stdout.trimEnd().split("\n").at(-1) ?? "");
  } finally {
    await node.close();
    await rotator.close();
  }
});
