/** Decides whether the table of walls lets a file import another one. */
import { posix } from "node:path";
import type { Import } from "./imports.ts";
import type { Wall } from "./walls.ts";

/** One permission: a wall, one of its lists, and the entry that is used. */
export type Permission = `${string}: ${string} ${string}`;

export type Verdict = { readonly fault: string } | { readonly used?: Permission };

const OWN: Verdict = {};

/** @returns the normalized path where an import names a file of the project */
export function targetOf(file: string, from: string): string | undefined {
  return /^\.{0,2}\//.test(from) ? posix.join(posix.dirname(file), from) : undefined;
}

/**
 * @param file path from the root of the project; the file need not exist
 * @returns the permission that is used, if one is needed
 */
export function judge(walls: readonly Wall[], file: string, { from, type }: Import): Verdict {
  const wall = wallOf(walls, file);
  if (wall === undefined) return { fault: `${file} is in no room of test/rules/walls.ts` };
  if (from === undefined) return { fault: `${file} imports what is computed` };
  const refused: Verdict = { fault: `${file} may not import ${from}` };
  const tested = isTest(file) ? wall.tests : undefined;
  const target = targetOf(file, from);
  if (target !== undefined) {
    if (isOwn(wall, file, target)) return OWN;
    return (
      granted(wall, "may", wall.may, (entry) => covers(walls, entry, target)) ??
      granted(wall, "tests", tested?.may, (entry) => covers(walls, entry, target)) ??
      refused
    );
  }
  const name = packageOf(from);
  return (
    granted(wall, "outside", wall.outside, (entry) => entry === name) ??
    (type ? granted(wall, "types", wall.types, (entry) => entry === name) : undefined) ??
    granted(wall, "tests", tested?.outside, (entry) => entry === name) ??
    (isTest(file) && name.startsWith("node:") ? OWN : refused)
  );
}

/** @returns every permission that the table gives */
export function permissionsOf(walls: readonly Wall[]): Permission[] {
  return walls.flatMap((wall) => {
    const lists = { may: wall.may, outside: wall.outside, types: wall.types };
    const tests = [...(wall.tests?.may ?? []), ...(wall.tests?.outside ?? [])];
    return Object.entries({ ...lists, tests }).flatMap(([list, entries = []]) =>
      entries.map((entry) => permission(wall, list, entry)),
    );
  });
}

function permission({ room }: Wall, list: string, entry: string): Permission {
  return `${room}: ${list} ${entry}`;
}

function granted(
  wall: Wall,
  list: string,
  entries: readonly string[] = [],
  fits: (entry: string) => boolean,
): Verdict | undefined {
  const entry = entries.find(fits);
  return entry === undefined ? undefined : { used: permission(wall, list, entry) };
}

function isTest(file: string): boolean {
  return file.endsWith(".test.ts");
}

/** The wall that names the file itself, or that of its folder; a test without either has the wall of the file that it tests. */
function wallOf(walls: readonly Wall[], file: string): Wall | undefined {
  const named = (path: string) => walls.find(({ room }) => typeof room !== "string" && room.includes(path));
  return (
    named(file) ??
    walls.find(({ room }) => room === posix.dirname(file)) ??
    (isTest(file) ? named(file.replace(/\.test\.ts$/, ".ts")) : undefined)
  );
}

function isOwn({ room }: Wall, file: string, target: string): boolean {
  if (typeof room === "string") return posix.dirname(target) === room;
  return room.includes(target) && target !== file;
}

/** A folder that is a room covers the files in it; one outside of host/ covers everything below it. */
function covers(walls: readonly Wall[], entry: string, target: string): boolean {
  if (entry === target || entry === posix.dirname(target)) return true;
  return !walls.some(({ room }) => room === entry) && target.startsWith(`${entry}/`);
}

/** `@grpc/grpc-js/build/x.js` is part of `@grpc/grpc-js`; each module of Node is separate. */
function packageOf(from: string): string {
  if (from.startsWith("node:")) return from;
  return from.split("/", from.startsWith("@") ? 2 : 1).join("/");
}
