/** The conformance kit for plugins finds each fault of a faulty plugin, and none of a good one. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { PluginResult } from "../../host/conformance/plugin/check.ts";
import { testPlugin } from "../../host/conformance/plugin/kit.ts";
import { FAULTS } from "./faulty-plugins.ts";
import { GoodPlugin, servePlugin } from "./good-plugin.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-faulty-"));
after(() => rmSync(folder, { recursive: true, force: true }));

let current: GoodPlugin | undefined;
process.on("SIGWINCH", () => current?.rotate());

async function run(plugin: GoodPlugin, patienceMs = 60_000): Promise<PluginResult[]> {
  const socket = join(folder, "kms.sock");
  const stop = await servePlugin(socket, plugin);
  const results: PluginResult[] = [];
  current = plugin;
  try {
    await testPlugin({
      socket,
      // for a busy machine; a call takes milliseconds
      timeoutMs: 60_000,
      variants: 64,
      ...{ pollMs: 0, polls: 30, seeds: 12, patienceMs },
      rotate: `kill -WINCH ${process.pid}`,
      onResult: (result) => results.push(result),
    });
  } finally {
    stop();
    rmSync(socket, { force: true });
  }
  return results;
}

test("a good plugin passes each check", async () => {
  const results = await run(new GoodPlugin());
  assert.deepEqual(
    results.filter(({ result }) => result !== "pass").map(({ name, text }) => [name, ...text]),
    [["plugin_restarts", "--restart gives no command"]],
  );
});

describe("a fault is found", () => {
  for (const [check, fault, plugin] of FAULTS) {
    test(fault, async () => {
      // a rotation without effect must fail, however late
      const results = await run(plugin(), check === "key_id_changes" ? 2_000 : undefined);
      const found = results.find(({ name }) => name === check.replace("warn ", ""));
      const all = results.filter(({ result }) => result === "fail" || result === "warn");
      assert.equal(found?.result, check.startsWith("warn ") ? "warn" : "fail", JSON.stringify(all));
    });
  }
});
