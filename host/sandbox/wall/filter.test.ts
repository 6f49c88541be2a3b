import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { programOf as headerOf, requireDebian } from "../../../test/support/debian.ts";
import { bubblewrap } from "./bubblewrap.ts";
import { build } from "./build.ts";
import { filterFor } from "./filter.ts";
import { filterPath } from "./filter-file.ts";
import { findPrograms } from "./programs.ts";
import { type Arch, SYSCALLS, type Verdict } from "./syscalls.ts";

const ARCHES: readonly Arch[] = ["x64", "arm64"];
const AUDIT: Readonly<Record<Arch, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };
const LAST = 600;
const RETURNS = new Map([
  [0x7fff0000, "allow"],
  [0x80000000, "kill"],
  [0x00050001, "EPERM"],
  [0x00050026, "ENOSYS"],
]);

/** Evaluates a filter like the kernel: the part of classic BPF over seccomp_data that our filters use. */
function evaluate(filter: Uint8Array, arch: number, number: number, args: readonly bigint[] = []): string {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, arch, true);
  for (const [i, arg] of args.entries()) data.setBigUint64(16 + 8 * i, BigInt.asUintN(64, arg), true);
  const program = new DataView(filter.buffer);
  let accumulator = 0;
  for (let at = 0; at < filter.length / 8; at++) {
    const [code, jt, jf] = [
      program.getUint16(8 * at, true),
      program.getUint8(8 * at + 2),
      program.getUint8(8 * at + 3),
    ];
    const k = program.getUint32(8 * at + 4, true);
    if (code === 0x06) return RETURNS.get(k) ?? `returns ${k}`;
    if (code === 0x20) accumulator = data.getUint32(k, true);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x15) at += accumulator === k ? jt : jf;
    else if (code === 0x35) at += accumulator >= k ? jt : jf;
    else assert.fail(`an unexpected instruction: ${code}`);
  }
  return assert.fail("the program does not return");
}

/** Arguments that meet a condition and arguments that do not, with the expected outcome. */
function casesOf(verdict: Verdict): [args: bigint[], outcome: string][] {
  if (verdict === "allow") return [[[], "allow"]];
  if (verdict === "missing") return [[[], "ENOSYS"]];
  if (verdict === "kill") return [[[], "kill"]];
  const at = (value: bigint) => [...Array<bigint>(verdict.arg).fill(0n), value];
  if ("zero" in verdict)
    return [
      [at(0n), "allow"],
      [at(1n), "EPERM"],
      [at(1n << 32n), "EPERM"],
      [at(0x7fff_0000_1000n), "EPERM"],
    ];
  if ("oneOf" in verdict) {
    const others = [0, 1, 2, 3, 4, 8, 9, 10, 1030, 0x5412, 0xffff_ffff].filter(
      (each) => !verdict.oneOf.includes(each),
    );
    return [
      ...verdict.oneOf.map((each): [bigint[], string] => [at(BigInt(each)), "allow"]),
      ...others.map((each): [bigint[], string] => [at(BigInt(each)), "EPERM"]),
    ];
  }
  const bits = Array.from({ length: 32 }, (_, i) => 2 ** i).filter((bit) => (verdict.mask & bit) !== 0);
  return [
    [at(BigInt(verdict.equals)), "allow"],
    ...bits.map((bit): [bigint[], string] => [at(BigInt((verdict.equals ^ bit) >>> 0)), "EPERM"]),
  ];
}

for (const arch of ARCHES) {
  const filter = filterFor(arch);

  test(`the file of the ${arch} filter matches the table (to update: sh host/kleidi-node host/sandbox/wall/generate.ts)`, () => {
    assert.deepEqual(new Uint8Array(readFileSync(filterPath(arch))), filter);
  });

  for (const { name, number, verdict } of SYSCALLS) {
    const own = number[arch];
    if (own === undefined) continue;
    test(`the ${arch} filter returns the verdict of the table for ${name}`, () => {
      for (const [args, outcome] of casesOf(verdict))
        assert.equal(evaluate(filter, AUDIT[arch], own, args), outcome, `${args}`);
    });
  }

  test(`the ${arch} filter denies every call without a row`, () => {
    const known = new Set(SYSCALLS.map(({ number }) => number[arch]));
    for (let number = 0; number <= LAST; number++) {
      if (!known.has(number)) assert.equal(evaluate(filter, AUDIT[arch], number), "EPERM", `${number}`);
    }
  });

  test(`the ${arch} filter kills a process that makes calls of another architecture`, () => {
    for (const other of [0, 0x40000003, 0x40000028, AUDIT[arch === "x64" ? "arm64" : "x64"]])
      assert.equal(evaluate(filter, other, 39), "kill");
  });
}

test("the x64 filter kills a process that makes x32 calls", () => {
  for (const number of [0x40000000, 0x40000027, 0x400001ff, 0xffffffff])
    assert.equal(evaluate(filterFor("x64"), AUDIT.x64, number), "kill");
});

test("no system call has two rows", () => {
  for (const arch of ARCHES) {
    const numbers = SYSCALLS.flatMap(({ number }) => number[arch] ?? []);
    assert.equal(new Set(numbers).size, numbers.length);
  }
  assert.equal(new Set(SYSCALLS.map(({ name }) => name)).size, SYSCALLS.length);
});

/** Reads a header of the kernel: name → number. */
function numbersIn(header: string): Map<string, number> {
  const lines = readFileSync(header, "utf8").matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm);
  return new Map([...lines].map(([, name = "", number]) => [name, Number(number)]));
}

test("the numbers of the table match the kernel's headers", () => {
  const headers: Readonly<Record<Arch, Map<string, number>>> = {
    x64: numbersIn(headerOf("linux-libc-dev-amd64-cross")),
    arm64: numbersIn(headerOf("linux-libc-dev-arm64-cross")),
  };
  // The generic header names this call differently.
  const generic = new Map([["newfstatat", "fstatat"]]);
  for (const arch of ARCHES) {
    for (const { name, number } of SYSCALLS) {
      const known = headers[arch].get(name) ?? headers[arch].get(generic.get(name) ?? "");
      assert.equal(number[arch], known, `${name} on ${arch}`);
    }
  }
});

test("the kernel denies every call without a row", async () => {
  requireDebian(["bubblewrap"]);
  const known = new Set(SYSCALLS.map(({ number }) => number[process.arch as Arch]));
  // uretprobe and uprobe: since Linux 6.14 they bypass every filter, and kill a process without a probe.
  const passed = process.arch === "x64" ? [335, 336] : [];
  const numbers = Array.from({ length: LAST + 1 }, (_, i) => i).filter(
    (number) => !known.has(number) && !passed.includes(number),
  );
  const program = `
    const ffi = require("node:ffi");
    const { functions: c } = ffi.dlopen(null, {
      syscall: { return: "i64", arguments: Array(7).fill("i64") },
      __errno_location: { return: "pointer", arguments: [] },
    });
    const errors = ${JSON.stringify(numbers)}.map((number) =>
      c.syscall(BigInt(number), 0n, 0n, 0n, 0n, 0n, 0n) === -1n ? ffi.getInt32(c.__errno_location()) : 0);
    require("fs").writeSync(3, JSON.stringify(errors));`;
  const wall = build(bubblewrap, findPrograms());
  const started = wall.start(["--no-warnings", "--experimental-ffi", "--eval", program], 256 << 20);
  let output = "";
  (started.stdio[3] as NodeJS.ReadableStream).on("data", (chunk) => {
    output += String(chunk);
  });
  let stderr = "";
  started.stderr?.on("data", (chunk) => {
    stderr += String(chunk);
  });
  const how = await new Promise<string>((resolve) =>
    started.once("close", (...end) => resolve(wall.endOf(...end))),
  );
  assert.deepEqual([how, stderr], ["exit code 0", ""]);
  assert.deepEqual(
    JSON.parse(output),
    numbers.map(() => 1),
  );
});
