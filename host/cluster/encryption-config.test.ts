import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { examineEncryptionConfig } from "./encryption-config.ts";
import { durationMs } from "./kms-provider.ts";

const SOCKET = "/run/kleidi/kms.sock";
const PLUGIN = {
  socket: SOCKET,
  deadlineMs: 2000,
  isSocket: (path: string) => path.replace(/^\/var/, "") === SOCKET,
};
const SECRET = "c2VjcmV0IGlzIHNlY3VyZSwgSSB0aGluay4uLi4uLi4=";

/** Line 10 is the endpoint. */
const VALID = `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - kms:
          apiVersion: v2
          name: kleidi
          timeout: 3s
          endpoint: unix:///run/kleidi/kms.sock
      - identity: {}
`;
const OTHER = `      - aescbc:
          keys: [{ name: a, secret: ${SECRET} }]
`;
const FIRST = `  - resources: ["*."]
    providers: [identity: {}]
`;

function examine(text: string, mode = 0o100600) {
  return examineEncryptionConfig(text, "enc.yaml", mode, PLUGIN);
}

const problems = (text: string, mode?: number) => examine(text, mode).findings.filter(({ ok }) => !ok);

test("a file that encrypts Secrets with this host has no problem", () => {
  const { findings, names, resources } = examine(VALID);
  assert.ok(findings.every(({ ok }) => ok));
  assert.deepEqual([names, resources], [["kleidi"], ["secrets"]]);
});

for (const endpoint of [
  "unix:/run/kleidi/kms.sock",
  "unix:///var/run/kleidi/kms.sock",
  "unix:///run/kleidi/kms%2esock",
])
  test(`an endpoint may be written as ${endpoint}`, () => {
    assert.deepEqual(problems(VALID.replace("unix:///run/kleidi/kms.sock", endpoint)), []);
  });

/** A part of VALID, its replacement, the place of the problem, and the mode of the file. */
const REFUSED: readonly (readonly [name: string, from: string, to: string, place: string, mode?: number])[] =
  [
    ["text that is not valid YAML", "kind:", "kind: [", "3:1"],
    ["another kind", "EncryptionConfiguration", "AuditPolicy", "2:7"],
    ["another version of the file", "apiserver.config.k8s.io/v1", "v1", "1:13"],
    ["no resources", VALID.slice(VALID.indexOf("  - res")), "", "3:1"],
    ["v1", "v2", "v1", "7:23"],
    ["a missing apiVersion, which means v1", "          apiVersion: v2\n", "", "6:9"],
    ["another socket", "/run/kleidi/kms.sock", "/run/other.sock", "10:21"],
    ["an endpoint of another scheme", "unix:///run", "tcp://run", "10:21"],
    ["a timeout below the deadline of the host", "3s", "1500ms", "9:20"],
    ["a timeout that is not a duration", "3s", "3", "9:20"],
    ["a cachesize, which v2 has not", "timeout: 3s", "cachesize: 1000", "9:11"],
    ["an unknown field", "timeout: 3s", "timeouts: 3s", "9:11"],
    ["a name with a colon", "name: kleidi", 'name: "a:b"', "8:17"],
    ["resources without secrets", "[secrets]", "[configmaps]", "3:1"],
    ["a wildcard with a resource that it covers", "[secrets]", '[secrets, "*."]', "4:26"],
    ["a duplicate resource", "[secrets]", "[secrets, secrets]", "4:26"],
    ["a star alone", "[secrets]", '[secrets, "*"]', "4:26"],
    ["a list that an earlier wildcard hides", "resources:\n", `resources:\n${FIRST}`, "5:16"],
    ["identity first", "    providers:\n", "    providers:\n      - identity: {}\n", "6:9"],
    ["another provider first", "    providers:\n", `    providers:\n${OTHER}`, "8:9"],
    ["identity before the last provider", "      - identity: {}\n", `      - identity: {}\n${OTHER}`, "11:9"],
    ["an unknown provider", "identity: {}", "rot13: {}", "11:9"],
    ["two providers in one item", "identity: {}", "identity: {}\n        aescbc: {}", "11:9"],
    ["a file with keys, readable for others", "      - identity: {}\n", OTHER, "11:9", 0o100644],
    [
      "two providers with the same name",
      "      - identity: {}\n",
      "      - kms: { name: kleidi, endpoint: unix:///run/b.sock }\n",
      "11:22",
    ],
  ];

describe("a problem is reported at its place:", () => {
  for (const [name, from, to, place, mode] of REFUSED)
    test(name, (t) => {
      assert.ok(VALID.includes(from));
      const found = problems(
        VALID.replace(from, () => to),
        mode,
      );
      assert.ok(
        found.some(({ subject }) => subject === `enc.yaml:${place}`),
        JSON.stringify(found),
      );
      for (const { detail, hint = "" } of found) assert.ok(!`${detail}${hint}`.includes(SECRET.slice(0, 8)));
      t.assert.snapshot(
        found.map(({ subject, detail, hint }) => `${subject} ${detail}\n  ${hint}`).join("\n"),
        {
          serializers: [String],
        },
      );
    });
});

test("a file without keys may be readable for others", () => assert.deepEqual(problems(VALID, 0o100644), []));

test("durationMs reads only Go's durations", () => {
  assert.deepEqual(["3s", "2.5s", "1m30s", "500ms", "0s"].map(durationMs), [3000, 2500, 90_000, 500, 0]);
  assert.deepEqual(["3", "", "-1s", "s", "1 s", 3].map(durationMs), Array(6).fill(undefined));
});
