/** The TPM provider passes the kit against a real TPM 2.0 (swtpm), through the grants of a configuration. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { requireDebian } from "../support/debian.ts";
import { kleidi } from "../support/fixture.ts";
import { tpmModule, withTpm } from "../support/tpm-node.ts";

requireDebian(["swtpm", "tpm2-tools"]);

test("tpm passes all levels, also with 64 calls at once", async (t) => {
  await withTpm(async (_tpm, node) => {
    node.keyInit("kek");
    const { status, stdout, stderr } = spawnSync(
      kleidi,
      ["provider", "test", tpmModule, "--config", node.config, "--json"],
      { encoding: "utf8", timeout: 300_000 },
    );
    assert.equal(status, 0, stdout + stderr);
    const { ok, live, levels, pass, warn, skip, results } = JSON.parse(stdout);
    assert.deepEqual([ok, live, levels], [true, true, [0, 1, 2, 3, 4]]);
    t.diagnostic(`${pass} pass, ${warn} warnings, ${skip} not applicable`);
    const byName = new Map(results.map((each: { name: string; result: string }) => [each.name, each.result]));
    for (const name of ["seeds_64_at_once", "host_code_5_unavailable", "kms_is_called"])
      assert.equal(byName.get(name), "pass", name);
  });
});
