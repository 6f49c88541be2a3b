/** kleidi key rotate is killed around the creation of the key: the same command finishes the rotation with the same key. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Fixture, kleidi, localConfig } from "../support/fixture.ts";

/** Ends the process before its fsync or rename with this number. */
const KILLER = (at: number) => `
  import fs from "node:fs";
  import { syncBuiltinESMExports } from "node:module";
  let calls = 0;
  for (const name of ["fsyncSync", "renameSync"]) {
    const real = fs[name];
    fs[name] = (...args) => {
      if (++calls === ${at}) process.kill(process.pid, "SIGKILL");
      return real(...args);
    };
  }
  syncBuiltinESMExports();`;

/**
 * The history begins with 9 calls, and 9 record that a key is created. The copy of the configuration is number 19; then another process
 * creates the key, which has fewer calls. Number 20 stages the new configuration, 21 to 29 record the intention, 30 and 31 replace the file.
 * host/keys/key-file.test.ts visits all of them, without the creation.
 */
const POINTS = [18, 19, 20, 21, 30, 31, 32];

for (const at of POINTS)
  test(`at call ${at}`, async (t) => {
    const fixture = new Fixture();
    t.after(() => fixture.close());
    fixture.write(localConfig([{ name: "kek", use: "active" }])).keyInit("kek");
    const { signal } = spawnSync(kleidi, ["key", "rotate", "--config", fixture.config], {
      env: {
        ...process.env,
        NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(KILLER(at))}`,
      },
    });
    assert.equal(signal, "SIGKILL");
    const { status, stdout, stderr } = fixture.run("key", "rotate", "--json");
    assert.equal(status, 0, stdout + stderr);
    const { key, changed, warnings = [] } = JSON.parse(stdout);
    assert.deepEqual([key, warnings], ["kek-2", []]);
    // From the replacement of the file on, the rotation was done.
    assert.equal(changed, at < 31);
    assert.deepEqual(
      JSON.parse(fixture.readConfig()).keys.map(({ name, use }: { name: string; use: string }) => [
        name,
        use,
      ]),
      [
        ["kek", "active"],
        ["kek-2", "decrypt"],
      ],
    );
    assert.deepEqual(
      readdirSync(join(fixture.folder, "keys")).filter((name) => name.endsWith(".key")),
      ["kek-2.key", "kek.key"],
    );
    assert.equal(fixture.run("key", "list").status, 0);
    assert.deepEqual(
      readdirSync(fixture.folder).filter((name) => /\.[0-9a-f]{16}$/.test(name)),
      [],
    );
  });
