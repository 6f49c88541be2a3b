/** Host and operator keep the walls of walls.ts: the table allows every import, types included. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type Import, importsOf } from "./imports.ts";
import { judge, permissionsOf, targetOf } from "./judge.ts";
import { ALLOWED, FORBIDDEN } from "./wall-cases.ts";
import { WALLS } from "./walls.ts";

const root = join(import.meta.dirname, "..", "..");
/** Folders of the operator without a program in them. */
const WITHOUT_CODE = /^operator\/(node_modules|crds|manifests)(\/|$)/;
const entries = ["host", "operator"]
  .flatMap((top) => readdirSync(join(root, top), { recursive: true, withFileTypes: true }))
  .map((entry) => ({
    folder: entry.isDirectory(),
    path: join(entry.parentPath, entry.name).slice(root.length + 1),
  }))
  .filter(({ path }) => !WITHOUT_CODE.test(path));
const files = entries
  .filter(({ folder, path }) => !folder && /\.[cm]?[jt]sx?$/.test(path))
  .map(({ path }) => path);
const imports = new Map(files.map((file) => [file, importsOf(readFileSync(join(root, file), "utf8"))]));
const all = [...imports].flatMap(([file, some]) => some.map((one) => [file, one] as const));
const verdicts = all.map(([file, one]) => ({ at: `${file}:${one.line}`, verdict: judge(WALLS, file, one) }));

describe("host and operator", () => {
  test("is read", () =>
    assert.ok(files.length > 300 && all.length > 1500, `${files.length} files, ${all.length}`));

  test("keeps its walls", () => {
    const faults = verdicts.flatMap(({ at, verdict }) =>
      "fault" in verdict ? `${at}: ${verdict.fault}` : [],
    );
    assert.deepEqual(faults, []);
  });

  test("imports existing files", () => {
    const missing = all.filter(([file, { from = "" }]) => {
      const target = targetOf(file, from);
      return target !== undefined && !existsSync(join(root, target));
    });
    assert.deepEqual(missing, []);
  });

  test("has no import cycle, types included", () => assert.deepEqual(circle(), []));
});

describe("the table", () => {
  test("has each folder under host/ and operator/ once, and only existing files", () => {
    const rooms = WALLS.flatMap(({ room }) => room);
    assert.deepEqual(new Set(rooms).size, rooms.length);
    const folders = entries.filter(({ folder }) => folder).map(({ path }) => path);
    assert.deepEqual(rooms.filter((room) => !/\.\w+$/.test(room)).sort(), folders.sort());
    assert.deepEqual(
      rooms.filter((room) => !existsSync(join(root, room))),
      [],
    );
  });

  test("gives no unused permission", () => {
    const used = new Set(verdicts.map(({ verdict }) => ("used" in verdict ? verdict.used : undefined)));
    assert.deepEqual(
      permissionsOf(WALLS).filter((permission) => !used.has(permission)),
      [],
    );
  });

  for (const [file, from] of FORBIDDEN) {
    test(`refuses ${from} in ${file}`, () => assert.ok("fault" in judge(WALLS, file, plain(from))));
  }
  for (const [file, from] of ALLOWED) {
    test(`accepts ${from} in ${file}`, () => assert.ok(!("fault" in judge(WALLS, file, plain(from)))));
  }
  for (const { path } of entries.filter(({ folder }) => folder)) {
    const up = "../".repeat(path.split("/").length);
    for (const from of ["providers/build.ts", "sdk/assemblyscript/build.ts", "host/main.ts"])
      test(`refuses ${from} in ${path}`, () => {
        for (const file of ["x.ts", "x.mjs", "x.test.ts"])
          assert.ok("fault" in judge(WALLS, `${path}/${file}`, plain(`${up}${from}`)));
      });
  }
  test("allows the import of a type where other imports are refused", () => {
    const socket = { from: "node:net", line: 1 };
    assert.ok("fault" in judge(WALLS, "host/sandbox/x.ts", { ...socket, type: false }));
    assert.ok(!("fault" in judge(WALLS, "host/sandbox/x.ts", { ...socket, type: true })));
  });
});

function plain(from: string): Import {
  return { from, type: false, line: 1 };
}

/** The files of one cycle, or none. */
function circle(): string[] {
  const done = new Set<string>();
  const way: string[] = [];
  const walk = (file: string): string[] => {
    const before = way.indexOf(file);
    if (before >= 0) return [...way.slice(before), file];
    if (done.has(file)) return [];
    way.push(file);
    for (const { from = "" } of imports.get(file) ?? []) {
      const target = targetOf(file, from);
      const found = target === undefined ? [] : walk(target);
      if (found.length > 0) return found;
    }
    way.pop();
    done.add(file);
    return [];
  };
  return files.map(walk).find((found) => found.length > 0) ?? [];
}
