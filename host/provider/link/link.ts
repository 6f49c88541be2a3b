/**
 * The link step of a provider's module, for any language: WASI is replaced by stubs, `_initialize` runs in front of each export, and only
 * the exports of the contract stay (docs/ABI.md, section 1). It reads with the host's own reader. Pure.
 */
import { formatType, printable } from "../../module/contract.ts";
import { MANIFEST_SECTION } from "../../module/manifest.ts";
import {
  concat,
  customSection,
  edited,
  funcType,
  leb,
  list,
  section,
  text,
  valType,
} from "../../module/wasm/encode.ts";
import type { Import, Module } from "../../module/wasm/module.ts";
import { readModule } from "../../module/wasm/module.ts";
import { type Reference, References } from "../../module/wasm/references.ts";
import type { FuncType, Span, ValType } from "../../module/wasm/types.ts";
import { body, type Code, call, globalGet, globalSet, i32, i32Eqz, when } from "./assembler.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { takeBack } from "./stderr.ts";
import { stubOf, WASI } from "./wasi.ts";

export interface Linked {
  readonly bytes: Uint8Array;
  /** The imports that a stub replaces, in the order of the imports. */
  readonly stubs: readonly { readonly name: string; readonly effect: string }[];
  /** True if `_initialize` runs before the first export of an instance. */
  readonly initializes: boolean;
  /** The exports that were removed; `_initialize` is not among them. */
  readonly removedExports: readonly string[];
  /** The custom sections that were removed, each name once. */
  readonly removedSections: readonly string[];
}

const PREAMBLE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
const INITIALIZE = "_initialize";
/** Exports that a host runs before the others; the contract has none, so their work would be missing. */
const PROGRAMS = ["_start", "hs_init"];
const RPC_EXPORT = /^kleidi_(status|encrypt|decrypt|provision)$/;
/** The custom section of the compilers' names. */
const KEPT_SECTIONS = ["producers"];

/**
 * Links a module.
 * @param bytes the whole file, of at most 32 MiB
 * @param options `debug`: keep the sections of names, maps and debuggers where they stay valid
 * @returns the module without a manifest
 * @throws Error it is not a module that can be linked; the message is a clause about the module, without its subject
 */
export function link(bytes: Uint8Array, { debug }: { readonly debug: boolean }): Linked {
  const references = new References();
  const module = readModule(bytes, references);
  const fault = linkFault(module);
  if (fault !== undefined) throw new Error(fault);
  const layout = layoutOf(module, module.exports.find(isInitialize)?.index, debug);
  const sections = standardSections(bytes, module, references, layout);
  const kept = module.customSections.filter(
    ({ name }) => name !== MANIFEST_SECTION && (KEPT_SECTIONS.includes(name) || (debug && layout.isIdentity)),
  );
  const custom = kept.map((one) => customSection(one.name, one.bytes));
  const dropped = module.customSections.filter((one) => !kept.includes(one) && one.name !== MANIFEST_SECTION);
  return {
    bytes: concat([PREAMBLE, ...sections, ...custom]),
    stubs: stubsOf(layout),
    initializes: layout.initialize !== undefined,
    removedExports: module.exports
      .filter((one) => !isKept(one) && !isInitialize(one))
      .map(({ name }) => name),
    removedSections: [...new Set(dropped.map(({ name }) => name))],
  };
}

/** Appends the manifest to a linked module. @param manifest as JSON.stringify writes it */
export function withManifest(bytes: Uint8Array, manifest: string): Uint8Array {
  return concat([bytes, customSection(MANIFEST_SECTION, new TextEncoder().encode(manifest))]);
}

/** Each name once: a compiler may import a function twice. */
function stubsOf({ stubs }: Layout): Linked["stubs"] {
  const effects = new Map(stubs.map(({ name, stub }) => [name, stub.effect]));
  return [...effects].map(([name, effect]) => ({ name, effect }));
}

type ExportEntry = Module["exports"][number];
const isInitialize = ({ name, kind }: ExportEntry) => name === INITIALIZE && kind === "function";
const isKept = ({ name, kind }: ExportEntry) =>
  (kind === "function" && RPC_EXPORT.test(name)) || (kind === "memory" && name === "memory");

/** Returns the reason why a module cannot be linked. */
function linkFault({ imports, exports }: Module): string | undefined {
  const program = exports.find(({ name, kind }) => kind === "function" && PROGRAMS.includes(name));
  if (program !== undefined)
    return `it exports ${program.name}, so it is a program: build a reactor, whose exports are called (clang -mexec-model=reactor, go build -buildmode=c-shared)`;
  const initialize = exports.find(isInitialize);
  if (initialize?.type !== undefined && initialize.type.params.length + initialize.type.results.length > 0)
    return `its export ${INITIALIZE} is of type ${formatType(initialize.type)}, expected () → ()`;
  const faults = imports.flatMap(importFault);
  return faults.length === 0 ? undefined : faults.join("; ");
}

function importFault({ module, name, type }: Import): string[] {
  const stub = stubOf(module, name, false);
  const shown = `the function "${printable(name)}" from "${printable(module)}"`;
  if (stub === undefined) return module === WASI ? [`it imports ${shown}, which has no stub`] : [];
  const [actual, expected] = [formatType(type), formatType(stub.type)];
  return actual === expected ? [] : [`it imports ${shown} of type ${actual}, expected ${expected}`];
}

/** In the order of the specification (5.5.16). */
function standardSections(
  bytes: Uint8Array,
  module: Module,
  references: References,
  layout: Layout,
): Uint8Array[] {
  const spans = new Map<number, Span>(
    module.sections.map(({ id, offset, size }) => [id, { from: offset, to: offset + size }]),
  );
  const renumbered = [...editsOf(references, layout)];
  const copy = (id: number): Uint8Array[] => {
    const span = spans.get(id);
    if (span === undefined) return [];
    const edits = renumbered.filter(({ from }) => from >= span.from && from < span.to);
    return [section(id, ...edited(bytes, span, edits))];
  };
  const types = new TypeList(module.types);
  const imports = layout.imports.map((one) =>
    concat([text(one.module), text(one.name), Uint8Array.from([0, ...leb(types.indexOf(one.type))])]),
  );
  const functions = layout.functions.map((type) => Uint8Array.from(leb(types.indexOf(type))));
  const exported = module.exports.filter(isKept).map(({ name, kind, index }) => {
    const code = kind === "memory" ? [2, ...leb(index)] : [0, ...leb(layout.exported(index))];
    return concat([text(name), Uint8Array.from(code)]);
  });
  const start =
    module.start === undefined ? [] : [section(8, Uint8Array.from(leb(layout.indexOf(module.start))))];
  return [
    section(1, list(types.entries)),
    ...(imports.length === 0 ? [] : [section(2, list(imports))]),
    section(3, list(functions)),
    ...copy(4),
    ...copy(5),
    ...globalSection(bytes, spans.get(6), renumbered, layout),
    section(7, list(exported)),
    ...start,
    ...copy(9),
    ...copy(12),
    codeSection(bytes, references, renumbered, layout),
    ...copy(11),
  ];
}

interface Renumbered extends Span {
  readonly bytes: Uint8Array;
}

function* editsOf(references: Iterable<Reference>, { indexOf, isIdentity }: Layout): Generator<Renumbered> {
  if (isIdentity) return;
  for (const { target, from, to } of references)
    yield { from, to, bytes: Uint8Array.from(leb(indexOf(target))) };
}

/** Adds the globals of the stubs behind those of the module. */
function globalSection(
  bytes: Uint8Array,
  span: Span | undefined,
  renumbered: readonly Renumbered[],
  { globals, ownGlobals }: Layout,
): Uint8Array[] {
  if (span === undefined && globals.length === 0) return [];
  const count = Uint8Array.from(leb(ownGlobals + globals.length));
  const added = globals.map(({ type }) =>
    Uint8Array.from([valType(type), 1, type === "i32" ? 0x41 : 0x42, 0, 0x0b]),
  );
  if (span === undefined) return [section(6, count, ...added)];
  const from = afterNumber(bytes, span.from);
  const edits = renumbered.filter((edit) => edit.from >= from && edit.from < span.to);
  return [section(6, count, ...edited(bytes, { from, to: span.to }, edits), ...added)];
}

/** @returns the offset after the number at `at`, which the reader has accepted */
function afterNumber(bytes: Uint8Array, at: number): number {
  let end = at;
  while ((bytes[end] as number) >= 128) end += 1;
  return end + 1;
}

function codeSection(
  bytes: Uint8Array,
  { bodies }: References,
  renumbered: readonly Renumbered[],
  layout: Layout,
): Uint8Array {
  let next = renumbered.findIndex(({ from }) => from >= (bodies[0]?.from ?? 0));
  const written = bodies.map((span) => {
    const edits: Renumbered[] = [];
    for (; next >= 0 && next < renumbered.length; next++) {
      const edit = renumbered[next] as Renumbered;
      if (edit.from >= span.to) break;
      edits.push(edit);
    }
    const parts = edited(bytes, span, edits);
    const size = parts.reduce((total, { length }) => total + length, 0);
    return concat([Uint8Array.from(leb(size)), ...parts]);
  });
  return section(10, list([...written, ...stubBodies(layout)]));
}

function stubBodies(layout: Layout): Uint8Array[] {
  const { context, initialize, keepsStderr, wrapped } = layout;
  const stubs = layout.bodies.map((write) => write(context));
  const once = initialize === undefined ? [] : runOnce(initialize);
  const after = keepsStderr ? takeBack(context) : [];
  return [...stubs, ...wrapped.map((index) => body([], once, call(index), after))];
}

function runOnce(initialize: NonNullable<Layout["initialize"]>): Code {
  return when(
    i32Eqz(globalGet(initialize.global)),
    globalSet(initialize.global, i32(1)),
    call(initialize.function),
  );
}

/** The types of the module, with those of the stubs behind them. */
class TypeList {
  readonly #types: FuncType[];
  readonly #index = new Map<string, number>();

  constructor(types: readonly FuncType[]) {
    this.#types = [...types];
    for (const [i, type] of types.entries())
      if (!this.#index.has(keyOf(type))) this.#index.set(keyOf(type), i);
  }

  get entries(): Uint8Array[] {
    return this.#types.map(funcType);
  }

  indexOf(type: FuncType): number {
    const known = this.#index.get(keyOf(type));
    if (known !== undefined) return known;
    this.#index.set(keyOf(type), this.#types.length);
    return this.#types.push(type) - 1;
  }
}

function keyOf({ params, results }: FuncType): string {
  const names = (types: readonly ValType[]) => types.join(" ");
  return `${names(params)}:${names(results)}`;
}
