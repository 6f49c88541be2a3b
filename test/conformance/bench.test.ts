/** kleidi provider bench: it has all figures, of one module and of two, and none of a module that fails. No time is compared. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { ModuleFigures } from "../../host/conformance/bench.ts";
import { kleidi, localModule, root, sha256Of } from "../support/fixture.ts";
import { mutantOf, TOY_FIXTURE, toyModule } from "./mutants.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-bench-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const vault = join(root, "providers/vault.wasm");

function bench(...args: string[]) {
  return spawnSync(kleidi, ["provider", "bench", ...args], { encoding: "utf8", timeout: 120_000 });
}

async function put(mutant: number): Promise<string> {
  const path = join(folder, `${mutant}.wasm`);
  writeFileSync(path, mutantOf(await toyModule(), mutant));
  return path;
}

/** Each number that stands for a time or a size. */
function numbersIn(value: unknown): number[] {
  if (typeof value === "number") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(numbersIn) : [];
}

test("a module has the times of its process, its instances and its calls, and their bytes", () => {
  const { status, stdout, stderr } = bench(vault, "--calls", "20", "--json");
  assert.equal(status, 0, stderr);
  const { ok, calls, modules } = JSON.parse(stdout);
  assert.deepEqual([ok, calls, modules.length], [true, 20, 1]);
  const [module] = modules as ModuleFigures[];
  assert.equal(module?.sha256, sha256Of(vault));
  for (const number of numbersIn(modules)) assert.ok(number >= 0 && Number.isFinite(number));
  const { p50 = 0, p99 = 0 } = module?.instance ?? {};
  assert.ok(p50 > 0 && p99 >= p50);
  assert.deepEqual(
    module?.rpcs.map(({ rpc, hostCalls, memoryBytes }) => [rpc, hostCalls, memoryBytes % 65_536]),
    [
      ["status", 1, 0],
      ["encrypt", 1, 0],
      ["decrypt", 1, 0],
    ],
  );
  for (const { wall, guest, requestBytes, replyBytes, blockBytes } of module?.rpcs ?? []) {
    for (const { p50, p99 } of [wall, guest]) assert.ok(p50 > 0 && p99 >= p50);
    // both messages are blocks of the guest
    assert.ok(blockBytes >= replyBytes && requestBytes > 0 && replyBytes > 0);
  }
});

test("two modules take turns, and a table has their ratios", () => {
  const { status, stdout, stderr } = bench(localModule, "--against", localModule, "--calls", "10");
  assert.equal(status, 0, stderr);
  assert.equal(stdout.split(`bytes, sha256 ${sha256Of(localModule)}\n`).length, 3);
  assert.match(
    stdout,
    /^The first divided by the second: module 1\.00, start \d+\.\d\d, instance \d+\.\d\d$/m,
  );
  assert.equal(stdout.match(/^(status|encrypt|decrypt)( +[\d.]+){12}$/gm)?.length, 6, stdout);
  assert.equal(stdout.match(/^(status|encrypt|decrypt)( +[\d.]+){6}$/gm)?.length, 3, stdout);
});

test("a module that fails has no figures, and exit code 1", async () => {
  // its Encrypt gives an annotation under the host's own domain
  const { status, stdout, stderr } = bench(await put(53), "--fixture", TOY_FIXTURE);
  assert.deepEqual([status, stdout], [1, ""]);
  assert.match(stderr, /^Encrypt of 32 bytes .*; find the reason with kleidi provider test$/m);
});

describe("usage errors", () => {
  for (const [what, args, said] of [
    ["no module", [join(folder, "none.wasm")], /Cannot read .*none\.wasm/],
    ["no older module", [localModule, "--against", join(folder, "none.wasm")], /Cannot read .*none\.wasm/],
    [
      "another kind of provider",
      [vault, "--against", localModule],
      /requests kleidi:keystore, and the fixture has no "keystore"/,
    ],
    ["too few calls", [localModule, "--calls", "9"], /Expected a whole number from 10 to 100000/],
  ] as const) {
    test(what, () => {
      const { status, stderr } = bench(...args);
      assert.equal(status, 2, stderr);
      assert.match(stderr, said);
    });
  }
});
