import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseConfig } from "../host/config/parse.ts";
import { causesOfCode, ERRORS, type ErrorCode } from "../host/error.ts";
import { LABELS, METRICS } from "../host/telemetry/metric-table.ts";
import { pages, stalePages } from "./generate.ts";

const configuration = pages().get("configuration.md") ?? "";
const example = /```yaml\n(.*?)```/s.exec(configuration)?.[1] ?? "";

test("the generated pages are what their sources give", () => {
  assert.deepEqual(stalePages(import.meta.dirname), []);
});

test("stalePages names a page that was changed, and one that is missing", () => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-docs-"));
  writeFileSync(join(folder, "errors.md"), pages().get("errors.md") ?? "");
  writeFileSync(join(folder, "metrics.md"), pages().get("metrics.md") ?? "");
  const stale = ["configuration.md", "audit.schema.json", "kleidi.schema.json"];
  assert.deepEqual(stalePages(folder), stale);
  writeFileSync(join(folder, "configuration.md"), `${configuration} `);
  assert.deepEqual(stalePages(folder), stale);
  rmSync(folder, { recursive: true });
});

test("the example of docs/configuration.md is a valid configuration", () => {
  assert.equal(parseConfig(example, "/etc/kleidi/config.yaml").keys.length, 7);
});

test("each credential that is a comment in the example is valid in the place of the other one", () => {
  const [credential = ""] = /^ {10}vault:\n(?: {12}.*\n)+/m.exec(example) ?? [];
  const commented = [...example.matchAll(/^ {10}# \S.*\n(?: {10}# {3}.*\n)*/gm)].map(([text]) =>
    text.replaceAll(/^( {10})# /gm, "$1"),
  );
  assert.equal(commented.length, 14);
  for (const other of commented) {
    // A line for an identity of AWS names the operation, one for an identity of another cloud a key.
    const lines = /(GET|POST) \/v1\/transit\/(\w+)\/kek\b/g;
    const key = "/v1/projects/p/locations/l/keyRings/r/cryptoKeys";
    let text = example;
    if (other.includes(" aws:")) text = example.replaceAll(lines, "POST / x-amz-target=TrentService.$2");
    if (other.includes(" gcp:")) text = example.replaceAll(lines, `POST ${key}/$2:decrypt`);
    if (other.includes(" azure:")) text = example.replaceAll(lines, "POST /keys/$2/?api-version=7.4");
    parseConfig(
      text.replace(credential, () => other),
      "/etc/kleidi/config.yaml",
    );
  }
});

test("the example of docs/configuration.md shows every key of the table", () => {
  const keys = [...configuration.matchAll(/^\| `([^`]+)`/gm)].map(
    ([, path]) => path?.split(".").at(-1) ?? "",
  );
  assert.ok(keys.length > 30);
  const named = keys.filter((key) => /^[A-Za-z0-9]+$/.test(key));
  assert.deepEqual(
    named.filter((key) => !new RegExp(`\\b${key}:`).test(example)),
    [],
  );
});

test("docs/errors.md has a row for every cause of every code", () => {
  const page = pages().get("errors.md") ?? "";
  const rows = page.split("\n").map((line) => line.split("|").map((each) => each.trim()));
  for (const code of Object.keys(ERRORS) as ErrorCode[])
    for (const { cause, remedy } of causesOfCode(code).values()) {
      const row = rows.find((cells) => cells[1] === `\`${code}\`` && cells[3] === cause);
      assert.equal(row?.[4], remedy, cause);
    }
});

test("docs/metrics.md has a row for every metric and for every label", () => {
  for (const name of [...Object.keys(METRICS), ...Object.keys(LABELS)])
    assert.match(pages().get("metrics.md") ?? "", new RegExp(`^\\| \`${name}\` +\\|`, "m"));
});

test("every label of docs/metrics.md is of a metric", () => {
  const used = new Set<string>(Object.values(METRICS).flatMap(({ labels }): readonly string[] => labels));
  assert.deepEqual(
    Object.keys(LABELS).filter((label) => !used.has(label)),
    [],
  );
});
