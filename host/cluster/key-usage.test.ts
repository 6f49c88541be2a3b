import assert from "node:assert/strict";
import { test } from "node:test";
import { countFindings } from "./count-findings.ts";
import { hashOf, type KnownKeys, readsOf, USED_METRICS, usageFindings } from "./key-usage.ts";
import { samplesOf } from "./samples.ts";

const NEW = hashOf("k1.new");
const OLD = hashOf("k1.old");
const FILE = hashOf("the file");
const KEYS: KnownKeys = {
  active: "k1.new",
  names: new Map([
    [NEW.slice(7, 23), "kek-2"],
    [OLD.slice(7, 23), "kek-1"],
  ]),
};
const sample = (name: string, labels: Record<string, string>, value: number) =>
  `apiserver_${name}{${Object.entries({ apiserver_id_hash: "sha256:a", ...labels })
    .map(([label, text]) => `${label}="${text}"`)
    .join(",")}} ${value}\n`;
const used = (metric: string, hash: string, value: number, transformation_type = "from_storage") =>
  sample(
    `envelope_encryption_key_id_hash_${metric}`,
    { provider_name: "kleidi", key_id_hash: hash, transformation_type },
    value,
  );
const status = (hash: string) =>
  sample(
    "envelope_encryption_key_id_hash_status_last_timestamp_seconds",
    { provider_name: "kleidi", key_id_hash: hash },
    1.8e9,
  );
const reload = (metric: string, result: string, value: number) =>
  sample(`encryption_config_controller_automatic_${metric}`, { status: result }, value);

const GOOD = [
  sample("encryption_config_controller_last_config_info", { hash: FILE }, 1),
  status(NEW),
  used("total", NEW, 5),
  used("last_timestamp_seconds", NEW, 1.8e9),
  used("last_timestamp_seconds", OLD, 1.7e9),
  used("last_timestamp_seconds", NEW, 1.8e9, "to_storage"),
].join("");

const find = (text: string, keys = KEYS) =>
  usageFindings("API server", samplesOf(text, USED_METRICS), ["kleidi"], FILE, keys);

test("samplesOf reads labels with escapes, and ignores other metrics and malformed lines", () => {
  const text = '# HELP a_b x\na_b{l="x\\"\\\\\\n}",m=""} 1e3 1700000000\na_b NaNo\na_b 2\nother 3\n';
  assert.deepEqual(samplesOf(text, ["a_"]), [
    { name: "a_b", labels: { l: 'x"\\\n}', m: "" }, value: 1000 },
    { name: "a_b", labels: {}, value: 2 },
  ]);
});

test("an API server that uses the file and the active key has no problem", () => {
  assert.deepEqual(
    find(GOOD).filter(({ ok }) => !ok),
    [],
  );
});

/** The samples, and true if there is no problem. */
const CASES: readonly (readonly [name: string, text: string, ok: boolean])[] = [
  ["the metric of the current config is missing", GOOD.replace(/^.*last_config_info.*\n/, ""), true],
  ["another current config", GOOD.replace(FILE, hashOf("another")), false],
  [
    "a failed reload",
    GOOD + reload("reloads_total", "failure", 2) + reload("reload_last_timestamp_seconds", "failure", 1.8e9),
    false,
  ],
  [
    "a failed reload before a good one",
    GOOD +
      reload("reloads_total", "failure", 2) +
      reload("reload_last_timestamp_seconds", "failure", 1.7e9) +
      reload("reload_last_timestamp_seconds", "success", 1.8e9),
    true,
  ],
  ["no Status", GOOD.replace(/^.*status_last.*\n/m, ""), false],
  ["a Status of another key", GOOD.replace(status(NEW), status(OLD)), false],
  ["reads under a known older key", GOOD + used("total", OLD, 3), true],
  ["reads under a key unknown to the host", GOOD + used("total", hashOf("gone"), 3), false],
];
for (const [name, text, ok] of CASES)
  test(`${name}: ${ok ? "no problem" : "a problem"}`, (t) => {
    const findings = find(text);
    assert.equal(
      findings.every((each) => each.ok),
      ok,
    );
    t.assert.snapshot(
      findings
        .map(
          ({ ok, detail, hint }) =>
            `${ok ? "ok" : "FAIL"} ${detail}${hint === undefined ? "" : `\n  ${hint}`}`,
        )
        .join("\n"),
      { serializers: [String] },
    );
  });

test("readsOf counts the reads of the named providers only", () => {
  const samples = samplesOf(GOOD + used("total", OLD, 3), USED_METRICS);
  assert.deepEqual(readsOf(samples, ["kleidi"]), [
    { hash: NEW, count: 5 },
    { hash: OLD, count: 3 },
  ]);
  assert.deepEqual(readsOf(samples, ["other"]), []);
});

const count = (objects: number, reads: readonly (readonly [string, number])[]) =>
  countFindings(
    "API server",
    ["secrets"],
    { objects, reads: reads.map(([hash, count]) => ({ hash, count })) },
    KEYS,
  );
const proves = (findings: ReturnType<typeof count>) =>
  findings.some(({ detail }) => detail.startsWith("no object is left"));

test("a count proves that no object is left only if each object was read and none under an older key", () => {
  assert.ok(proves(count(5, [[NEW, 5]])));
  assert.ok(!proves(count(5, [[NEW, 4]])));
  assert.ok(
    !proves(
      count(5, [
        [NEW, 4],
        [OLD, 1],
      ]),
    ),
  );
});

test("a count reports that reads of others can hide objects in the clear", () => {
  const details = count(5, [[NEW, 6]]).map(({ detail }) => detail);
  assert.ok(details.some((detail) => /1 of them by other clients, which can hide/.test(detail)));
});

test("objects under an older key, and under none, are problems", () => {
  assert.deepEqual(
    count(5, [
      [NEW, 4],
      [OLD, 1],
    ]).map(({ ok }) => ok),
    [true, false],
  );
  assert.deepEqual(
    count(5, [[NEW, 4]]).map(({ ok }) => ok),
    [true, false],
  );
});
