/** docs/operate/approve.md and docs/inspect.md describe inspect and diff correctly: their commands are run, their tables compared. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { diff, isComparable } from "../../host/inspect/diff.ts";
import type { Report } from "../../host/inspect/report.ts";
import { Fixture, kleidi, localConfig, localModule, root, sha256Of } from "../support/fixture.ts";
import { call, guest, hostCall, inspected, row } from "../support/inspected.ts";

const approval = readFileSync(join(root, "docs", "operate", "approve.md"), "utf8");
const page = readFileSync(join(root, "docs", "inspect.md"), "utf8");

const fixture = new Fixture();
after(() => fixture.close());

function blocks(language: string): string[] {
  return [...approval.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms"))].map(
    ([, text]) => text ?? "",
  );
}

function run(line: string): { status: number | null; stdout: string; stderr: string } {
  const [program, ...args] = line.split(" ");
  assert.equal(program, "kleidi");
  return spawnSync(kleidi, args, { cwd: fixture.folder, encoding: "utf8" });
}

describe("docs/operate/approve.md", () => {
  for (const folder of ["providers", "approved"]) {
    mkdirSync(join(fixture.folder, folder));
    copyFileSync(localModule, join(fixture.folder, folder, "local.wasm"));
  }
  fixture.write(localConfig([{ name: "kek", use: "active" }]));
  const commands = blocks("sh").join("").trim().split("\n");

  test("shows an inspection, one with a page, and a comparison", () => {
    assert.deepEqual(
      commands.map((line) => line.split(" ")[1]),
      ["inspect", "inspect", "diff"],
    );
  });

  for (const command of commands) {
    test(command, () => {
      const { status, stdout, stderr } = run(command);
      assert.equal(status, 0, stderr);
      const [, html] = / --html (\S+)/.exec(command) ?? [];
      if (html !== undefined) {
        const written = readFileSync(join(fixture.folder, html), "utf8");
        assert.ok(written.includes(sha256Of(localModule)));
        assert.match(stdout, /^ {2}ok {5}pin: as pinned$/m);
      }
    });
  }

  test("shows the output of the first command, except for numbers", () => {
    const [shown = ""] = blocks("text");
    const unnumbered = (text: string) => text.replaceAll(/\d+( → \d+)*/g, "N");
    assert.ok(unnumbered(run(commands[0] ?? "").stdout).includes(unnumbered(shown)));
  });

  test("has a comparison that exits 1 where authority grows, and 2 where a side cannot be read", () => {
    const line = commands.at(-1) ?? "";
    const [approved = ""] = line.split(" ").filter((word) => dirname(word) === "approved");
    writeFileSync(join(fixture.folder, approved), guest());
    assert.equal(run(line).status, 1);
    writeFileSync(join(fixture.folder, approved), "");
    assert.equal(run(line).status, 2);
    assert.ok(existsSync(join(fixture.folder, approved)));
  });
});

/** The backticked names in the first cells of the table below a heading. */
function firstCells(heading: string, number = 0): string[] {
  const text = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";
  const tables = text.split(/\n\n/).filter((part) => part.startsWith("|"));
  const rows = (tables[number] ?? "").split("\n").slice(2);
  return rows.flatMap((line) =>
    [...(line.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? ""),
  );
}

const widened = guest({
  imports: hostCall("keystore", "seal") + hostCall("keystore", "open") + hostCall("keystore", "info"),
  bodies: { status: call("keystore", "info"), encrypt: call("keystore", "seal"), provision: "" },
  rows: [{ ...row("keystore", "seal", "encrypt"), why: "new" }],
  name: "other",
  version: "2.0.0",
  memory: "1 8",
  fields: "(table 1 funcref)",
});
const before = guest({
  imports: hostCall("keystore", "seal"),
  bodies: { encrypt: call("keystore", "seal") },
  rows: [row("keystore", "seal", "encrypt")],
});

describe("docs/inspect.md", () => {
  const { stdout } = spawnSync(kleidi, ["inspect", localModule, "--json"], { encoding: "utf8" });
  const report: Report = JSON.parse(stdout);

  test("lists the keys of the report, in their order", () => {
    assert.deepEqual(firstCells("`kleidi inspect --json`"), Object.keys(report));
  });

  test("names every nested key", () => {
    const whole = inspected(before);
    const samples: object[] = [whole.file, whole.verdicts, whole.rpcs, whole.authority, whole.module].flat();
    const inner = [
      ...samples,
      ...whole.rpcs.flatMap(({ reaches }) => reaches),
      ...whole.module.imports,
      ...whole.module.exports,
      ...whole.module.memories,
      ...whole.module.sections,
    ];
    const keys = new Set(inner.flatMap((each) => Object.keys(each)));
    for (const key of keys) assert.ok(page.includes(`\`${key}\``), `${key} is not in docs/inspect.md`);
  });

  test("lists every check", () => {
    const looked = new Set(report.verdicts.map(({ check }) => check));
    const configured = ["configured", "pin", "signature", "grants"];
    assert.deepEqual(firstCells("Checks"), [...looked, ...configured]);
  });

  test("lists the keys of a diff and every kind of change", () => {
    const [a, b] = [inspected(before), inspected(widened)];
    assert.ok(isComparable(a) && isComparable(b));
    const found = diff(a, b);
    assert.deepEqual(firstCells("`kleidi diff --json`"), Object.keys(found));
    const kinds = new Set<string>(found.changes.map(({ change }) => change));
    const listed = firstCells("`kleidi diff --json`", 1);
    // the ABI has one version
    assert.deepEqual([...kinds].sort(), listed.filter((kind) => kind !== "abi").sort());
  });
});
