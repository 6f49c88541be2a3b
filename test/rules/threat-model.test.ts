/** docs/threat-model.md makes no claim without enforcement and test: each row names existing files, and tests in them. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..", "..");

interface Claim {
  readonly by: string;
  readonly says: string;
  readonly enforcedBy: string;
  readonly triedBy: string;
}

/** The rows of the tables under "Claims". */
function claimsOf(text: string): Claim[] {
  const [, section = ""] = /^## Claims$(.*?)^## /ms.exec(text) ?? [];
  return section
    .split("\n")
    .filter((line) => /^\| (\d|all)/.test(line))
    .map((line) => {
      const [, by = "", says = "", enforcedBy = "", triedBy = ""] = line
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim());
      return { by, says, enforcedBy, triedBy };
    });
}

const paths = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, path]) => path ?? "");

/** The names of tests that follow each path in a cell. */
function testsOf(cell: string): [path: string, name: string][] {
  return [...cell.matchAll(/`([^`]+)`((?:[:,] "[^"]+")*)/g)].flatMap(([, path = "", names = ""]) =>
    [...names.matchAll(/"([^"]+)"/g)].map(([, name = ""]): [string, string] => [path, name]),
  );
}

const claims = claimsOf(readFileSync(join(root, "docs/threat-model.md"), "utf8"));

test("there are claims against each attacker", () => {
  for (const attacker of ["1", "2", "3", "4", "5", "6"]) {
    assert.ok(
      claims.some(({ by }) => by.split(", ").includes(attacker)),
      `attacker ${attacker}`,
    );
  }
});

for (const { says, enforcedBy, triedBy } of claims) {
  test(`the claim is enforced and tried: ${says}`, () => {
    assert.ok(
      paths(enforcedBy).length > 0 || enforcedBy === "all of it",
      "no file that enforces it is named",
    );
    const tries = paths(triedBy);
    assert.ok(tries.length > 0, "no test of it is named");
    for (const path of [...paths(enforcedBy), ...tries])
      assert.ok(existsSync(join(root, path)), `${path} is missing`);
    for (const path of tries) assert.match(path, /\.test\.ts$|^test\/fuzz\/[\w-]+\.ts$/);
    for (const [path, name] of testsOf(triedBy)) {
      assert.ok(readFileSync(join(root, path), "utf8").includes(name), `${path} has no test "${name}"`);
    }
  });
}
