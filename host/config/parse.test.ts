import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { refusal, testRefusals } from "../../test/support/config-faults.ts";
import type { Config } from "./config.ts";
import { parseConfig } from "./parse.ts";

const SHA = "0123456789abcdef".repeat(4);

/** A valid configuration with one key per line. Line 3 is the socket. */
const VALID = `apiVersion: kleidi.dev/v1
listen:
  socket: /run/kms.sock
  mode: "0660"
keystore:
  directory: keys
providers:
  local:
    module: local.wasm
    sha256: ${SHA}
    grants: { keystore: { keys: [kek] } }
    limits:
      memory: 32MiB
      deadline: 1s
      hostCalls: 8
keys:
  - name: kek
    provider: local
    use: active
status:
  interval: 30s
log:
  level: debug
`;

/** A text with one fault: a part of VALID, its replacement, and the place of the fault. */
type Case = readonly [name: string, from: string, to: string, place: string];

const cases: readonly Case[] = [
  [
    "a path that is too long for any system call after it is resolved",
    "module: local.wasm",
    `module: ${"a".repeat(4095)}`,
    `9:13 providers.local.module`,
  ],
  ["a digest that YAML read as a number", SHA, "0".repeat(64), `10:13 providers.local.sha256`],
  ["another version of the format", "kleidi.dev/v1", "kleidi.dev/v2", "1:13 apiVersion"],
  ["a missing required key", "apiVersion: kleidi.dev/v1\n", "", "1:1 apiVersion"],
  ["a missing section", 'listen:\n  socket: /run/kms.sock\n  mode: "0660"\n', "", "1:1 listen"],
  ["an unknown key at the top", "log:", "logs:", "22:1 logs"],
  ["an unknown key without a similar one", "status:\n  interval: 30s", "password: hunter2", "20:1 password"],
  [
    "an unknown key beside a similar one",
    "  level: debug",
    "  level: debug\n  levle: debug",
    "24:3 log.levle",
  ],
  ["a misspelt required key, reported once", "  socket:", "  sokcet:", "3:3 listen.sokcet"],
  ["a mode that YAML read as a number", '"0660"', "0660", "4:9 listen.mode"],
  ["a mode in octal notation", '"0660"', "0o660", "4:9 listen.mode"],
  ["a mode that gives others access", '"0660"', '"0666"', "4:9 listen.mode"],
  ["a mode that gives the owner no write access", '"0660"', '"0460"', "4:9 listen.mode"],
  ["a group that is neither a name nor a gid", 'mode: "0660"', "group: -1", "4:10 listen.group"],
  ["an empty path", "/run/kms.sock", '""', "3:11 listen.socket"],
  ["a path with a NUL byte", "/run/kms.sock", '"/run/a\\0b"', "3:11 listen.socket"],
  ["a path that is a list", "/run/kms.sock", "[/run/kms.sock]", "3:11 listen.socket"],
  [
    "a socket path that is too long",
    "/run/kms.sock",
    "/run/kleidi/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "3:11 listen.socket",
  ],
  ["a provider name with capitals", "  local:\n", "  Local:\n", "8:3 providers.Local"],
  ["a provider name that begins with a digit", "  local:\n", "  1local:\n", "8:3 providers.1local"],
  [
    "a provider without a value",
    "\n    module: local.wasm\n    sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n    grants: { keystore: { keys: [kek] } }\n    limits:\n      memory: 32MiB\n      deadline: 1s\n      hostCalls: 8",
    "\n",
    "8:3 providers.local",
  ],
  ["a provider without a module", "    module: local.wasm\n", "", "8:3 providers.local.module"],
  ["a module that is a number", "local.wasm", "2026", "9:13 providers.local.module"],
  [
    "a digest that is too short",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "0123",
    "10:13 providers.local.sha256",
  ],
  [
    "a grant of an unknown capability",
    "{ keystore: { keys: [kek] } }",
    "{ keystore: { keys: [kek] }, network: { host: a } }",
    "11:42 providers.local.grants.network",
  ],
  ["a grant without a key", "[kek]", "[]", "11:33 providers.local.grants.keystore.keys"],
  [
    "a grant of the keystore without a list",
    "keystore: { keys: [kek] }",
    "keystore: {}",
    "11:25 providers.local.grants.keystore",
  ],
  [
    "a passphrase with an invalid name",
    "keys: [kek]",
    "passphrases: [kek, KEK 2]",
    "11:46 providers.local.grants.keystore.passphrases[1]",
  ],
  ["a grant of an invalid name", "[kek]", "[kek, KEK 2]", "11:39 providers.local.grants.keystore.keys[1]"],
  ["memory in another unit", "32MiB", "32MB", "13:15 providers.local.limits.memory"],
  ["memory as a number", "32MiB", "16777216", "13:15 providers.local.limits.memory"],
  ["memory above the limit", "32MiB", "1GiB", "13:15 providers.local.limits.memory"],
  ["memory that is not a multiple of 64KiB", "32MiB", "100KiB", "13:15 providers.local.limits.memory"],
  ["a deadline above the limit", "deadline: 1s", "deadline: 3s", "14:17 providers.local.limits.deadline"],
  ["a deadline without a unit", "deadline: 1s", "deadline: 2", "14:17 providers.local.limits.deadline"],
  ["a deadline in fractions", "deadline: 1s", "deadline: 1.5s", "14:17 providers.local.limits.deadline"],
  ["a count above its limit", "hostCalls: 8", "hostCalls: 1025", "15:18 providers.local.limits.hostCalls"],
  [
    "a count below its limit",
    "hostCalls: 8",
    "concurrentCalls: 0",
    "15:24 providers.local.limits.concurrentCalls",
  ],
  ["a count in quotes", "hostCalls: 8", 'hostCalls: "8"', "15:18 providers.local.limits.hostCalls"],
  ["a fraction of a count", "hostCalls: 8", "hostCalls: 8.5", "15:18 providers.local.limits.hostCalls"],
  ["an empty count", "hostCalls: 8", 'hostCalls: ""', "15:18 providers.local.limits.hostCalls"],
  ["an infinite count", "hostCalls: 8", "queue: .inf", "15:14 providers.local.limits.queue"],
  ["a key without a value", "hostCalls: 8", "hostCalls:", "15:7 providers.local.limits.hostCalls"],
  [
    "keys that are a mapping",
    "keys:\n  - name: kek\n    provider: local\n    use: active",
    "keys:\n    name: kek",
    "17:5 keys",
  ],
  ["a key that is text", "    use: active\n", "    use: active\n  - kek-2\n", "20:5 keys[1]"],
  [
    "a key name with capitals",
    "    use: active\n",
    "    use: active\n  - { name: KEK-2, provider: local, use: decrypt }\n",
    "20:13 keys[1].name",
  ],
  [
    "a key name that YAML read as a number",
    "    use: active\n",
    "    use: active\n  - { name: 2026, provider: local, use: decrypt }\n",
    "20:13 keys[1].name",
  ],
  ["a use that is misspelt", "use: active", "use: actve", "19:10 keys[0].use"],
  ["a version with a space", "use: active", "use: active\n    version: a b", "20:14 keys[0].version"],
  [
    "a version that YAML read as a number",
    "use: active",
    "use: active\n    version: 00001234",
    "20:14 keys[0].version",
  ],
  ["an interval below the limit", "30s", "500ms", "21:13 status.interval"],
  ["an interval above the limit", "30s", "5m", "21:13 status.interval"],
  ["an unknown log level", "debug", "warning", "23:10 log.level"],
  ["a log level that is a boolean", "debug", "true", "23:10 log.level"],
  [
    "a setting with the name __proto__, which would be lost",
    "    use: active",
    "    use: active\n    settings: { mount: transit, __proto__: transit }",
    "20:33 keys[0].settings.__proto__",
  ],
  ["the key __proto__", "status:", "__proto__: { a: 1 }\nstatus:", "20:1 __proto__"],
  [
    "an unknown RPC of a grant",
    "keys: [kek]",
    "keys: [kek], rpcs: [Encrypt]",
    "11:47 providers.local.grants.keystore.rpcs[0]",
  ],
  ["an admin without an address", "status:", 'admin: { listen: ":9464" }\nstatus:', "20:18 admin.listen"],
  ["an admin address by name", "status:", "admin: { listen: localhost:9464 }\nstatus:", "20:18 admin.listen"],
  [
    "an admin socket that others could reach",
    "status:",
    'admin: { listen: unix:/run/a.sock, mode: "0666" }\nstatus:',
    "20:42 admin.mode",
  ],
  [
    "an admin address with a mode",
    "status:",
    'admin: { listen: 127.0.0.1:9464, mode: "0600" }\nstatus:',
    "20:34 admin.mode",
  ],
  [
    "an admin socket at the path of the API server's socket",
    "status:",
    "admin: { listen: unix:/run/kms.sock }\nstatus:",
    "20:18 admin.listen",
  ],
  ["an admin socket without a path", "status:", 'admin: { listen: "unix:" }\nstatus:', "20:18 admin.listen"],
  [
    "an admin port over 65535",
    "status:",
    "admin: { listen: 127.0.0.1:65536 }\nstatus:",
    "20:18 admin.listen",
  ],
];

test("parseConfig reads IPv4 and IPv6 addresses of admin", () => {
  const admin = (listen: string) =>
    parseConfig(VALID.replace("status:", `admin: { listen: "${listen}" }\nstatus:`), "/e/k.yaml").admin;
  assert.deepEqual(admin("127.0.0.1:9464"), { host: "127.0.0.1", port: 9464 });
  assert.deepEqual(admin("[::1]:80"), { host: "::1", port: 80 });
});

test("parseConfig resolves the path of an admin socket; its default mode is 0600", () => {
  const admin = (text: string) =>
    parseConfig(VALID.replace("status:", `admin: { ${text} }\nstatus:`), "/e/k.yaml").admin;
  assert.deepEqual(admin("listen: unix:admin.sock"), { socket: "/e/admin.sock", mode: 0o600 });
  assert.deepEqual(admin('listen: unix:/run/a.sock, mode: "0660", group: 12'), {
    socket: "/run/a.sock",
    mode: 0o660,
    group: 12,
  });
});

testRefusals(
  "single keys",
  cases.map(([name, from, to, place]) => {
    assert.ok(VALID.includes(from), from);
    return { name, text: VALID.replace(from, () => to), place };
  }),
);

test("parseConfig resolves paths and units", () => {
  assert.deepEqual(parseConfig(VALID, "/etc/kleidi/k.yaml"), {
    file: "/etc/kleidi/k.yaml",
    sha256: sha256Of(VALID),
    listen: { socket: "/run/kms.sock", mode: 0o660 },
    keystore: { directory: "/etc/kleidi/keys" },
    providers: [
      {
        name: "local",
        module: "/etc/kleidi/local.wasm",
        sha256: SHA,
        grants: { keystore: { keys: ["kek"] } },
        limits: {
          memoryBytes: 32 * 1024 * 1024,
          processMemoryBytes: (68 * 32 + 192) * 1024 * 1024,
          standby: "auto",
          deadlineMs: 1000,
          tableEntries: 16_384,
          inputBytes: 65_536,
          outputBytes: 65_536,
          hostCalls: 8,
          hostCallsPerMinute: 600_000,
          logLines: 64,
          concurrentCalls: 64,
          queue: 1024,
        },
      },
    ],
    keys: [{ name: "kek", provider: "local", use: "active" }],
    sandbox: { wall: "auto" },
    status: { intervalMs: 30_000, stableProbes: 3 },
    reload: { onChange: false },
    log: { level: "debug" },
  } satisfies Config);
});

test("parseConfig reads passphrases with and without keys", () => {
  const grants = (list: string) =>
    parseConfig(VALID.replace("keys: [kek]", list), "/etc/kleidi/k.yaml").providers[0]?.grants ?? {};
  const alone = grants("passphrases: [kek], rpcs: [status]");
  assert.deepEqual(alone, { keystore: { keys: [], passphrases: ["kek"], rpcs: ["status"] } });
  assert.deepEqual(grants("keys: [kek]"), { keystore: { keys: ["kek"] } });
});

test("parseConfig treats an optional key without a value as left out", () => {
  const { log, keys } = parseConfig(
    VALID.replace("log:\n  level: debug", "log: { level, file }").replace(
      "use: active",
      "use: active\n    ? version",
    ),
    "/etc/k.yaml",
  );
  assert.deepEqual(log, { level: "info" });
  assert.deepEqual(keys, [{ name: "kek", provider: "local", use: "active" }]);
});

test("parseConfig fills in every default", () => {
  const text = `apiVersion: kleidi.dev/v1
listen: { socket: s, group: 1000 }
providers: { local: { module: m, sha256: ${SHA} } }
keys: [{ name: kek, provider: local, use: active, version: v1 }]
log: { file: k.log }
`;
  assert.deepEqual(parseConfig(text, "/e/k.yaml"), {
    file: "/e/k.yaml",
    sha256: sha256Of(text),
    listen: { socket: "/e/s", mode: 0o600, group: 1000 },
    providers: [
      {
        name: "local",
        module: "/e/m",
        sha256: SHA,
        grants: {},
        limits: {
          memoryBytes: 16 * 1024 * 1024,
          processMemoryBytes: (68 * 16 + 192) * 1024 * 1024,
          standby: "auto",
          deadlineMs: 2000,
          tableEntries: 16_384,
          inputBytes: 65_536,
          outputBytes: 65_536,
          hostCalls: 64,
          hostCallsPerMinute: 600_000,
          logLines: 64,
          concurrentCalls: 64,
          queue: 1024,
        },
      },
    ],
    keys: [{ name: "kek", provider: "local", use: "active", version: "v1" }],
    sandbox: { wall: "auto" },
    status: { intervalMs: 10_000, stableProbes: 3 },
    reload: { onChange: false },
    log: { level: "info", file: "/e/k.log" },
  } satisfies Config);
});

test("parseConfig returns a frozen configuration", () => {
  const config = parseConfig(VALID, "/e/k.yaml");
  const parts: unknown[] = [
    config,
    config.listen,
    config.providers,
    config.providers[0]?.limits,
    config.keys[0],
  ];
  for (const part of parts) assert.ok(Object.isFrozen(part));
});

test("parseConfig lists all faults at once, in the order of the file", (t) => {
  const text = VALID.replace("kleidi.dev/v1", "kleidi.dev/v2")
    .replace('"0660"', "0660")
    .replace("  local:", "  Local:")
    .replace("32MiB", "32MB")
    .replace("use: active", "use: actve\n    colour: red")
    .replace("level: debug", "level: &a debug");
  const { faults, message } = refusal(text);
  assert.deepEqual(
    faults.map(({ line, column, path }) => `${line}:${column} ${path}`),
    [
      "1:13 apiVersion",
      "4:9 listen.mode",
      "8:3 providers.Local",
      "13:15 providers.Local.limits.memory",
      "19:10 keys[0].use",
      "20:5 keys[0].colour",
      "24:13 log.level",
    ],
  );
  t.assert.snapshot(message, { serializers: [String] });
});

test("a fault never shows the value of an unknown key", () => {
  for (const text of [`${VALID}token: hunter2\n`, VALID.replace("hostCalls: 8", "tokens: { a: hunter2 }")])
    assert.doesNotMatch(refusal(text).message, /hunter2/);
});

test("a fault shows at most 60 characters of a value, on one line", () => {
  const long = `"${"x".repeat(500)}"`;
  for (const from of ["kleidi.dev/v1", '"0660"', "32MiB", "name: kek\n", "provider: local\n", SHA, "debug"]) {
    const to = /^(name|provider)/.test(from) ? `${from.split(":")[0]}: ${long}\n` : long;
    const message = refusal(VALID.replace(from, to)).message;
    assert.match(message, /x{59}…/);
    assert.doesNotMatch(message, /x{60}/);
  }
  const lines = refusal(VALID.replace("debug", '"a\\nb\\e[31m\\u202e"')).message.split("\n");
  assert.match(lines[1] ?? "", /found "a\\nb\\u001b\[31m\\u\{202e\}"/);
});

test("ConfigError prints 50 faults, keeps all, and counts the rest", () => {
  const text = VALID + Array.from({ length: 60 }, (_, i) => `u${i}q: 1\n`).join("");
  const lines = refusal(text).message.split("\n");
  assert.equal(lines.length, 52);
  assert.equal(lines[0], "Cannot use the configuration /etc/k.yaml: 60 faults");
  assert.equal(lines.at(-1), "and 10 more");
});

/** In the output format of sha256sum. */
function sha256Of(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
