/** Usage errors have one shape, and a fatal failure is printed once. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { Fixture, kleidi, localConfig, sha256Of } from "../support/fixture.ts";

const KEY = { name: "kek", use: "active" } as const;
let fixture: Fixture;
beforeEach(() => {
  fixture = new Fixture();
  fixture.write(localConfig([KEY]));
});
afterEach(() => fixture.close());

const cases: readonly (readonly [what: string, ...words: string[]])[] = [
  ["an unknown option", "check", "--no-such-option"],
  ["an unknown command", "chek"],
  ["a missing argument", "inspect"],
  ["a number out of range", "healthcheck", "--timeout", "0"],
  ["an option that does not fit the key", "key", "init", "kek", "--scheme", "x"],
];
for (const [what, ...words] of cases)
  test(`${what} is a usage error in text and in JSON`, () => {
    const args = words[0] === "key" ? [...words, "--config", fixture.config] : words;
    const text = spawnSync(kleidi, args, { encoding: "utf8" });
    assert.deepEqual([text.status, text.stdout], [2, ""]);
    assert.match(text.stderr, /^error: /);
    const json = spawnSync(kleidi, [...args, "--json"], { encoding: "utf8" });
    assert.deepEqual([json.status, json.stderr], [2, ""]);
    const { ok, code, message } = JSON.parse(json.stdout);
    assert.deepEqual([ok, code], [false, "usage"]);
    assert.ok(text.stderr.startsWith(`error: ${message}`), text.stderr);
  });

test("a host that cannot start and logs to stderr prints the reason once", () => {
  fixture.write(localConfig([KEY], { log: { level: "info" } }));
  const { status, stderr } = fixture.run("serve");
  assert.equal(status, 1);
  assert.equal(stderr.split("no record that the key was created").length - 1, 1, stderr);
});

test("the configuration's digest in the audit log is sha256sum of the file, also with a byte order mark", async () => {
  fixture.keyInit("kek");
  const audit = { audit: { stdout: true } };
  const aside = new Fixture({ keepOutput: true });
  try {
    rmSync(join(aside.folder, "keys"), { recursive: true });
    const keystore = { keystore: { directory: join(fixture.folder, "keys") } };
    aside.write(`\ufeff${localConfig([KEY], { ...audit, ...keystore })}`);
    const host = await aside.serve();
    assert.equal(await Fixture.stop(host), 0);
    const [, digest] = /"config":"([0-9a-f]{64})"/.exec(aside.output) ?? [];
    assert.equal(digest, sha256Of(aside.config));
  } finally {
    await aside.close();
  }
});
