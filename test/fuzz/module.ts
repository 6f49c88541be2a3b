/** Changed modules: admission reads the same in them as the engine, or refuses them. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { KNOWN } from "../../host/capabilities/registry.ts";
import { KleidiError } from "../../host/error.ts";
import { pageOf } from "../../host/inspect/page.ts";
import type { Report } from "../../host/inspect/report.ts";
import { textOf } from "../../host/inspect/text.ts";
import { authorityOf } from "../../host/module/authority.ts";
import { examine } from "../../host/module/examine.ts";
import { parseManifest } from "../../host/module/manifest.ts";
import { readModule } from "../../host/module/wasm/module.ts";
import { reach } from "../../host/module/wasm/reach.ts";
import { clampLimits } from "../../host/module/wasm/rewrite.ts";
import { RPCS } from "../../host/sandbox/wire.mjs";
import { buildGuests } from "../guests/build.ts";
import { localModule } from "../support/fixture.ts";
import { found, inspected, LIMITS } from "../support/inspected.ts";
import { mutated } from "./bytes.ts";
import { assertSentence } from "./manifest.ts";
import type { Target } from "./target.ts";

const SECTION = "kleidi.provider";

function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)];
}

/** The sections of a module, each with its head. The bytes of the code are most of a module and irrelevant to admission. */
function sections(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 8; at < bytes.length; ) {
    let length = 0;
    let head = 1;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at + head++] ?? 0;
      length += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    found.push(bytes.subarray(at, at + head + length));
    at += head + length;
  }
  return found;
}

/** A custom section, which may be anywhere; its name's length is in the longest LEB128. */
const custom = fc
  .tuple(
    fc.constantFrom(SECTION, "name", ""),
    fc.uint8Array({ maxLength: 20 }),
    fc.integer({ min: 0, max: 4 }),
  )
  .map(([name, bytes, padding]) => {
    const text = Buffer.from(name);
    const length = padding === 0 ? leb(text.length) : [text.length | 128, ...Array(padding - 1).fill(128), 0];
    const content = [...length, ...text, ...bytes];
    return Uint8Array.from([0, ...leb(content.length), ...content]);
  });

type Move =
  | { kind: "swap" | "drop" | "double"; at: number }
  | { kind: "add"; at: number; section: Uint8Array };
const at = fc.nat({ max: 30 });
const move: fc.Arbitrary<Move> = fc.oneof(
  fc.record({ kind: fc.constantFrom("swap" as const, "drop" as const, "double" as const), at }),
  fc.record({ kind: fc.constant("add" as const), at, section: custom }),
);

function rearranged(bytes: Uint8Array, moves: readonly Move[]): Uint8Array {
  const parts = sections(bytes);
  for (const move of moves) {
    const at = move.at % (parts.length + 1);
    if (move.kind === "add") parts.splice(at, 0, move.section);
    else if (move.kind === "drop") parts.splice(at, 1);
    else if (move.kind === "double") parts.splice(at, 0, ...parts.slice(at, at + 1));
    else parts.splice(at, 2, ...parts.slice(at, at + 2).reverse());
  }
  return Buffer.concat([bytes.subarray(0, 8), ...parts]);
}

/** Changes to any one section, so that small sections are changed as often as the code. */
function mutatedSection(source: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc.tuple(source, at).chain(([bytes, at]) => {
    const parts = sections(bytes);
    const index = at % parts.length;
    return mutated(fc.constant(parts[index] ?? new Uint8Array()), 3).map((part) =>
      Buffer.concat([bytes.subarray(0, 8), ...parts.slice(0, index), part, ...parts.slice(index + 1)]),
    );
  });
}

/** Compiles a module as the provider's process would. @returns undefined where it would refuse */
function compile(bytes: Uint8Array): WebAssembly.Module | undefined {
  try {
    return new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  } catch (error) {
    assert.equal((error as Error).name, "CompileError");
    return undefined;
  }
}

export const module: Target = {
  name: "module",
  open: async (seen) => {
    const guests = await buildGuests();
    const read = (paths: string[]) =>
      fc.constantFrom(...paths.map((path) => new Uint8Array(readFileSync(path))));
    // The others are refused unchanged.
    const source = fc.oneof(
      { weight: 3, arbitrary: read([localModule, guests.misbehave, guests.crypto]) },
      { weight: 1, arbitrary: read(Object.values(guests)) },
    );
    const any = fc.oneof(
      source,
      fc.tuple(source, fc.array(move, { maxLength: 4 })).map(([bytes, moves]) => rearranged(bytes, moves)),
      mutatedSection(source),
      mutated(source),
      // A change in the code is often still readable, but no longer valid.
      mutated(source, 1),
      fc
        .uint8Array({ maxLength: 60 })
        .map((bytes) => Buffer.concat([Buffer.from("0061736d01000000", "hex"), bytes])),
    );
    return {
      properties: [
        {
          name: "a module is admitted with the imports that the engine sees, or refused with a printable message",
          cases: 3000,
          reaches: ["admitted, valid", "admitted, not valid", "refused, valid", "refused, not valid"],
          property: fc.property(any, (bytes) => {
            const compiled = compile(bytes);
            const valid = compiled !== undefined;
            try {
              const { manifest } = examine("p", bytes, KNOWN);
              if (compiled !== undefined) assertAgrees(compiled, manifest);
              seen(valid ? "admitted, valid" : "admitted, not valid");
            } catch (error) {
              if (!(error instanceof KleidiError)) throw error;
              assert.equal(error.code, "module-invalid");
              assertSentence(error.message);
              seen(valid ? "refused, valid" : "refused, not valid");
            }
          }),
        },
        {
          name: "any module can be inspected, and is refused exactly where admission refuses it",
          cases: 2000,
          reaches: ["not refused", "refused, read", "refused, stopped"],
          property: fc.property(any, (bytes) => {
            const report = inspected(bytes);
            assert.equal(report.verdict === "refuse", !admitted(bytes), found(report).join("\n"));
            assertReaches(report, bytes);
            assert.doesNotMatch(
              textOf(report, (_, text) => text),
              /[^\P{C}\n]|[\p{Zl}\p{Zp}]/u,
            );
            assert.match(pageOf(report), /<\/html>\n$/);
            const how = report.module.stopped === null ? "read" : "stopped";
            seen(report.verdict === "refuse" ? `refused, ${how}` : "not refused");
          }),
        },
      ],
    };
  },
};

function admitted(bytes: Uint8Array): boolean {
  const { memoryBytes, tableEntries } = LIMITS;
  try {
    clampLimits(bytes, examine("p", bytes, KNOWN).module, {
      memoryPages: memoryBytes / 65_536,
      tableEntries,
    });
    return true;
  } catch {
    return false;
  }
}

/** The printed call graph equals the one that admission computes with another algorithm. */
function assertReaches({ rpcs, module: { stopped } }: Report, bytes: Uint8Array): void {
  if (stopped !== null) return;
  const shown = rpcs.flatMap(({ rpc, reaches }) => reaches.map((each) => ({ rpc, ...each })));
  assert.deepEqual(
    shown.map(({ rpc, capability, operation }) => ({ rpc, capability, operation })),
    authorityOf(reach(readModule(bytes)), RPCS),
  );
}

function assertAgrees(module: WebAssembly.Module, manifest: ReturnType<typeof examine>["manifest"]): void {
  const sections = WebAssembly.Module.customSections(module, SECTION);
  assert.equal(sections.length, 1);
  assert.deepEqual(parseManifest("p", new Uint8Array(sections[0] ?? new ArrayBuffer())), manifest);
  for (const { module: namespace, name, kind } of WebAssembly.Module.imports(module)) {
    assert.equal(kind, "function");
    const requested = manifest.capabilities.some(
      ({ capability, operations }) => namespace === `kleidi:${capability}` && operations.includes(name),
    );
    assert.ok(requested || namespace === "extism:host/env", `${namespace} ${name} is not requested`);
  }
  const exported = new Map(WebAssembly.Module.exports(module).map(({ name, kind }) => [name, kind]));
  for (const rpc of ["status", "encrypt", "decrypt"]) assert.equal(exported.get(`kleidi_${rpc}`), "function");
  assert.equal(exported.get("memory"), "memory");
}
