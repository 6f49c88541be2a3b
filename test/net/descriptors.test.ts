/** The number of descriptors that all providers may hold at once is compared with the limit that the system gives the host. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { loadConfig } from "../../host/config/load.ts";
import { descriptorsOf } from "../../host/runtime/descriptors.ts";
import { Fixture, kleidi } from "../support/fixture.ts";
import { vaultConfig } from "../support/vault-node.ts";

const GRANT = { limits: { connections: 256 }, credential: undefined };

test("check reports a limit of open files under which one provider could use up another's, and accepts one file more", async () => {
  const fixture = new Fixture();
  try {
    fixture.write(JSON.stringify(vaultConfig({ origin: "https://127.0.0.1:1", net: GRANT })));
    const needed = descriptorsOf(loadConfig(fixture.config));
    assert.equal(needed, 256 + 1024 + 128 + 512 + 64 + 8 + 256 + 2);
    const check = (limit: number) =>
      spawnSync(
        "sh",
        [
          "-c",
          'ulimit -n "$1"; shift; exec "$@"',
          "sh",
          `${limit}`,
          kleidi,
          "check",
          "--config",
          fixture.config,
        ],
        {
          encoding: "utf8",
        },
      ).stdout;
    assert.match(
      check(needed - 1),
      /^FAIL open files: this process may have 2249 files open, and the providers may need 2250 at once: one could take another's\n {5}Raise the limit \(in a unit: LimitNOFILE=2250\), or lower grants\.net\.limits\.connections\.$/m,
    );
    assert.doesNotMatch(check(needed), /open files/);
  } finally {
    await fixture.close();
  }
});
