import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { stringify } from "yaml";
import { ConfigError } from "./config-error.ts";
import { parseConfig } from "./parse.ts";

/** Asserts that a text gives a configuration, or a ConfigError whose faults lie in the text. */
function parsesOrRefuses(text: string): void {
  try {
    parseConfig(text, "/etc/k.yaml");
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.ok(error.faults.length > 0);
    const lines = text.split(/\r\n|\r|\n/).length;
    for (const { line, column } of error.faults) assert.ok(line >= 1 && line <= lines && column >= 1);
  }
}

const word = (pattern: RegExp) => fc.stringMatching(pattern);
const keyName = word(/^[a-z0-9][a-z0-9.-]{0,62}$/);
const pathLike = word(/^[a-z0-9/.-]{1,20}$/);
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

/** A valid configuration, as in the file. */
const valid = fc
  .record({
    names: fc.uniqueArray(word(/^[a-z][a-z0-9-]{0,62}$/), { minLength: 1, maxLength: 4 }),
    keys: fc.uniqueArray(keyName, { minLength: 4, maxLength: 64 }),
    mode: optional(fc.constantFrom("0600", "0660", "0700", "0640")),
    group: optional(fc.oneof(fc.nat({ max: 0xffff_fffe }), word(/^[a-z_][a-z0-9_-]{0,31}$/))),
    memory: optional(fc.integer({ min: 1, max: 256 })),
    deadline: optional(fc.integer({ min: 100, max: 2400 })),
    queue: optional(fc.nat({ max: 4096 })),
    version: optional(word(/^[\x21-\x7e]{1,128}$/)),
    sha256: word(/^[0-9a-f]{64}$/),
    module: pathLike,
    log: optional(
      fc.record({ level: fc.constantFrom("trace", "debug", "info", "warn", "error"), file: pathLike }),
    ),
    keystore: optional(pathLike),
  })
  .map(({ names, keys, mode, group, memory, deadline, queue, version, sha256, module, log, keystore }) => {
    const rows = keys.map((name, i) => ({
      name,
      provider: names[i % names.length] ?? "",
      use: i === 1 ? "active" : "decrypt",
      version,
    }));
    const providers = names.map((provider) => {
      const own = rows.filter((row) => row.provider === provider).map(({ name }) => name);
      const limits = {
        memory: memory === undefined ? undefined : `${memory}MiB`,
        // The memory of all instances together is bounded: with more memory per instance, fewer calls run at once.
        concurrentCalls: memory === undefined ? undefined : Math.min(64, Math.floor(4096 / memory) - 4),
        deadline: deadline === undefined ? undefined : `${deadline}ms`,
        queue,
      };
      const grants = keystore === undefined ? undefined : { keystore: { keys: own } };
      return [provider, { module, sha256, limits, grants }] as const;
    });
    return {
      apiVersion: "kleidi.dev/v1",
      listen: { socket: "kms.sock", mode, group },
      keystore: keystore === undefined ? undefined : { directory: keystore },
      providers: Object.fromEntries(providers),
      keys: rows,
      log,
    };
  });

/** A value without undefined keys. */
const written = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test("parseConfig returns the values of a valid configuration", () => {
  fc.assert(
    fc.property(valid, fc.boolean(), (raw, flow) => {
      const text = stringify(written(raw), { collectionStyle: flow ? "flow" : "any" });
      const config = parseConfig(text, "/etc/k.yaml");
      const first = Object.values(raw.providers)[0];
      assert.deepEqual(written(config.keys), written(raw.keys));
      assert.deepEqual(
        config.providers.map(({ name }) => name),
        Object.keys(raw.providers),
      );
      assert.equal(config.listen.mode, Number.parseInt(raw.listen.mode ?? "0600", 8));
      assert.equal(config.listen.group, raw.listen.group);
      assert.equal(config.log.level, raw.log?.level ?? "info");
      const [provider] = config.providers;
      assert.equal(provider?.sha256, first?.sha256);
      assert.deepEqual(provider?.grants, first?.grants ?? {});
      assert.equal(`${provider?.limits.deadlineMs}ms`, first?.limits.deadline ?? "2000ms");
      assert.equal(`${(provider?.limits.memoryBytes ?? 0) / 1024 ** 2}MiB`, first?.limits.memory ?? "16MiB");
      assert.equal(provider?.limits.queue, first?.limits.queue ?? 1024);
    }),
  );
});

test("parseConfig throws nothing but ConfigError on any text", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 400 }), parsesOrRefuses), { numRuns: 500 });
});

test("parseConfig throws nothing but ConfigError on text that consists of the special characters of YAML", () => {
  const unit = fc.constantFrom(
    ..."ab1: -?[]{}&*!|>'\"%@#,\n\t~<.\\",
    "keys",
    "providers",
    "listen",
    "\n  ",
    "---\n",
  );
  fc.assert(fc.property(fc.string({ unit, maxLength: 80 }), parsesOrRefuses), { numRuns: 2000 });
});

test("parseConfig throws nothing but ConfigError on any YAML document", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => parsesOrRefuses(stringify(value))),
    { numRuns: 500 },
  );
});

test("parseConfig throws nothing but ConfigError when a part of a valid configuration is replaced", () => {
  const parts = ["listen", "keystore", "providers", "keys", "status", "log", "apiVersion"];
  const replaced = fc.tuple(valid, fc.constantFrom(...parts), fc.jsonValue());
  fc.assert(
    fc.property(replaced, ([raw, part, value]) =>
      parsesOrRefuses(stringify(written({ ...raw, [part]: value }))),
    ),
  );
});

test("parseConfig throws nothing but ConfigError when characters of a valid configuration are removed", () => {
  fc.assert(
    fc.property(valid, fc.nat(), fc.integer({ min: 1, max: 20 }), (raw, at, length) => {
      const text = stringify(written(raw));
      const start = at % text.length;
      parsesOrRefuses(text.slice(0, start) + text.slice(start + length));
    }),
  );
});
