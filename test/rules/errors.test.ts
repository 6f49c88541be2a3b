/** Each cause of host/error-table.ts is thrown somewhere, so that docs/errors.md lists no remedy that nothing prints. */
import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { causesOfCode, ERRORS, type ErrorCode } from "../../host/error.ts";
import { METRICS } from "../../host/telemetry/metric-table.ts";

const root = join(import.meta.dirname, "..", "..");
/** The text of each file of the host without its comments, except the table. */
const SOURCES = globSync("host/**/*.ts", { cwd: root })
  .filter((path) => !path.endsWith(".test.ts") && !path.startsWith("host/error"))
  .map((path) => readFileSync(join(root, path), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, ""));
/** Names the causes that every kind of file has. */
const FILES = readFileSync(join(root, "host/capabilities/files.ts"), "utf8");

/** True if a file has the name of the fault, or joins it from the code and a cause that it or files.ts names. */
function isThrown(code: string, name: string): boolean {
  const [, cause] = name.split("/");
  return SOURCES.some(
    (text) =>
      text.includes(`"${name}"`) ||
      (cause !== undefined && text.includes(`\`${code}/${"$"}{`) && `${text}${FILES}`.includes(`"${cause}"`)),
  );
}

describe("every cause of an error is thrown", () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[])
    test(code, () => {
      const unused = [...causesOfCode(code).keys()].filter((name) => !isThrown(code, name));
      assert.deepEqual(unused, []);
    });

  test("a cause that nothing throws is found", () => assert.ok(!isThrown("deadline", "deadline/other")));
});

test("the metrics and pages that remedies name exist", () => {
  const remedies = (Object.keys(ERRORS) as ErrorCode[]).flatMap((code) => [...causesOfCode(code).values()]);
  const text = remedies.map(({ remedy }) => remedy).join("\n");
  const metrics = [...text.matchAll(/\bkleidi_\w+/g)].map(([name]) => name);
  assert.deepEqual(
    metrics.filter((name) => !Object.hasOwn(METRICS, name)),
    [],
  );
  const pages = [...text.matchAll(/\bdocs\/[\w./-]+\.md\b/g)].map(([path]) => path);
  assert.ok(metrics.length > 0 && pages.length > 0);
  assert.deepEqual(
    pages.filter((path) => !existsSync(join(root, path))),
    [],
  );
});

test("KleidiError takes no remedy of its own: its hint is the table's", () => {
  const withHint = SOURCES.filter((text) => /\bERRORS\[/.test(text));
  assert.deepEqual(withHint, []);
});
