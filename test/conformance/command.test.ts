/** kleidi provider test as an author calls it: our own providers, the report, and what cannot be tested. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { kleidi, localModule, root, sha256Of } from "../support/fixture.ts";
import { TOY_FIXTURE, toyModule } from "./mutants.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-conformance-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: string[]) {
  return spawnSync(kleidi, ["provider", "test", ...args], { encoding: "utf8", timeout: 300_000 });
}

function put(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** The numbers of the last line. */
function counts(stdout: string): Record<string, number> {
  const found = [...(/^# (pass .*)$/m.exec(stdout)?.[1] ?? "").matchAll(/(\w+) (\d+)/g)];
  return Object.fromEntries(found.map(([, name = "", number]) => [name, Number(number)]));
}

/** Proven with --config, where rules cannot stand for the KMS: tpm.test.ts, and the folders test/azure, test/gcp and test/pkcs11. */
const WITHOUT_FIXTURE = ["azure", "gcp", "pkcs11", "tpm"];
const providers = readdirSync(join(root, "providers"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const hasFixture = (name: string) => existsSync(join(root, "providers", name, "kms.fixture.json"));

test("each provider has a fixture, or a test with a configuration", () =>
  assert.deepEqual(providers.filter((name) => !hasFixture(name)).sort(), WITHOUT_FIXTURE));

describe("our providers pass", () => {
  for (const name of providers.filter(hasFixture)) {
    test(name, (t) => {
      const { status, stdout } = run(join(root, "providers", `${name}.wasm`));
      assert.equal(status, 0, stdout);
      const { pass = 0, fail, warn = 0, skip = 0 } = counts(stdout);
      assert.equal(fail, 0);
      assert.match(stdout, new RegExp(`^1\\.\\.${pass + warn + skip}$`, "m"));
      t.diagnostic(stdout.trimEnd().split("\n").at(-1) ?? "");
    });
  }
});

test("prints TAP with the faults of a check, and exits with 1", () => {
  // the same answer for all keys
  const fixture = JSON.parse(readFileSync(join(root, "providers/local/kms.fixture.json"), "utf8"));
  const path = put("same.json", JSON.stringify({ ...fixture, others: [{ key: "kek" }] }));
  const { status, stdout } = run(localModule, "--fixture", path, "--level", "2", "--bail");
  assert.equal(status, 1);
  assert.match(stdout, /^TAP version 14\n# kleidi \S+, \S+, sha256 [0-9a-f]{64}\nok 1 - admission: /);
  const block =
    /^not ok (\d+) - contract: another_key_has_another_version\n {2}---\n {2}section: "docs\/ABI.md, section 4"\n {2}faults:\n {4}- "Status of /m;
  const number = block.exec(stdout)?.[1];
  assert.ok(stdout.endsWith(`1..${number}\n${stdout.slice(stdout.indexOf("# pass"))}`), stdout);
});

test("inspect shows the report beside its module, and refuses to take that of another one for it", () => {
  const report = join(folder, "local.json");
  const tested = run(localModule, "--level", "0", "--level", "1", "--report", report, "--json");
  assert.equal(tested.status, 0, tested.stderr);
  const written = JSON.parse(readFileSync(report, "utf8"));
  assert.deepEqual(JSON.parse(tested.stdout), written);
  assert.deepEqual(
    [written.module.sha256, written.levels, written.live],
    [sha256Of(localModule), [0, 1], false],
  );
  const rowOf = (module: string) => {
    const { stdout } = spawnSync(kleidi, ["inspect", module, "--report", report, "--json"], {
      encoding: "utf8",
    });
    return JSON.parse(stdout).verdicts.find(({ check }: { check: string }) => check === "conformance");
  };
  const own = rowOf(localModule);
  assert.equal(own.severity, "ok");
  assert.match(own.actual, new RegExp(`^${written.pass} passed, 0 failed, 0 warnings, .*levels 0, 1, kit `));
  const other = rowOf(join(root, "providers", "gpg.wasm"));
  assert.deepEqual([other.severity, other.actual.includes(sha256Of(localModule))], ["warn", true]);
});

test("a file that is no report is a usage error of inspect", () => {
  for (const text of ["{", "[]", '{"conformance":2}']) {
    const { status, stderr } = spawnSync(kleidi, ["inspect", localModule, "--report", put("no.json", text)], {
      encoding: "utf8",
    });
    assert.deepEqual(
      [status, /^error: Cannot read the report .*: it is not a report of /.test(stderr)],
      [2, true],
    );
  }
});

describe("a module that is refused fails level 0, and no process is started", () => {
  const large = put("large.wasm", Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  truncateSync(large, (32 << 20) + 1);
  for (const [what, path, said] of [
    ["text", put("text.wasm", "#!/bin/sh\n"), /does not start with the header of a WebAssembly core module/],
    [
      "a component",
      put("component.wasm", Uint8Array.of(0, 0x61, 0x73, 0x6d, 13, 0, 1, 0)),
      /is a WebAssembly component/,
    ],
    ["more than 32 MiB", large, /is 33554433 bytes, at most 33554432 are allowed/],
    ["an empty file", put("empty.wasm", ""), /does not start with the header/],
  ] as const) {
    test(what, () => {
      const { status, stdout } = run(path);
      assert.equal(status, 1);
      assert.match(stdout, said);
      assert.match(stdout, /^1\.\.1\n# pass 0, fail 1, warn 0, skip 0\n$/m);
    });
  }
});

describe("usage errors", () => {
  const faults = put(
    "faults.json",
    '{\n  "fixture": 2,\n  "kee": "kek",\n  "keystore": { "keys": ["ke k"] },\n  "net": { "rules": [ { "method": "FETCH", "path": "keys",\n    "answer": { "status": 99 } } ] }\n}\n',
  );
  test("a fixture has all of its faults named with their places", () => {
    const { status, stdout, stderr } = run(localModule, "--fixture", faults);
    assert.deepEqual([status, stdout], [2, ""]);
    const places = [...stderr.matchAll(/faults\.json:(\d+):\d+ (\S+): expected \S.*, found \S/g)];
    assert.deepEqual(
      places.map(([, line, path]) => `${line} ${path}`),
      [
        "2 fixture",
        "3 kee",
        "4 keystore.keys[0]",
        "5 net.otherwise",
        "5 net.rules[0].method",
        "5 net.rules[0].path",
        "6 net.rules[0].answer.status",
      ],
    );
  });
  test("captures that nothing makes are faults", () => {
    const text = `{ "fixture": 1, "net": { "otherwise": {}, "rules": [\n{ "method": "GET", "path": "/\${a}", "finds": "tok", "answer": {} },\n{ "method": "GET", "path": "/\${a}", "answer": { "json": "\${b}" } } ] } }`;
    const { status, stderr } = run(localModule, "--fixture", put("captures.json", text));
    assert.equal(status, 2);
    assert.match(
      stderr,
      /captures\.json:2:\d+ net\.rules\[0\]\.finds: .*\n.*captures\.json:3:\d+ net\.rules\[1\]\.answer: /,
    );
  });
  for (const [what, args, said] of [
    ["no module", [join(folder, "none.wasm")], /^error: Cannot read .*ENOENT/],
    [
      "no fixture for a capability",
      [put("alone.wasm", readFileSync(localModule))],
      /requests kleidi:keystore, and the fixture has no "keystore"; add it to/,
    ],
    [
      "a TPM, which no fixture stands for",
      [join(root, "providers", "tpm.wasm")],
      /requests kleidi:tpm, .*--config/,
    ],
    [
      "level 4 without a configuration",
      [localModule, "--level", "4"],
      /level 4 needs a real KMS: give --config/,
    ],
    [
      "a command for a KMS without a configuration",
      [localModule, "--rotate", "true"],
      /Cannot use --rotate without --config/,
    ],
    ["a level that does not exist", [localModule, "--level", "5"], /levels are 0, 1, 2, 3/],
    [
      "a report in no folder",
      [localModule, "--level", "0", "--report", join(folder, "no/r.json")],
      /^error: Cannot write the report /,
    ],
  ] as const) {
    test(what, () => {
      const { status, stderr } = run(...args);
      assert.equal(status, 2, stderr);
      assert.match(stderr, said);
    });
  }
});

test("the toy is tested beside its fixture, as the page for authors shows", async () => {
  const module = put("toy.wasm", await toyModule());
  put("kms.fixture.json", readFileSync(TOY_FIXTURE));
  const { status, stdout } = run(module, "--level", "0", "--level", "1");
  assert.equal(status, 0, stdout);
  rmSync(join(folder, "kms.fixture.json"));
});
