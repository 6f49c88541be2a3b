/** Checks of size, format, manifest, imports and exports. */
import { RPCS } from "../host-call.ts";
import { escapeName } from "../lib/text.ts";
import { RUN_AT_START } from "../module/authority.ts";
import { type ContractPart, contractFaults, KLEIDI, MAX_MODULE } from "../module/contract.ts";
import { MANIFEST_SECTION } from "../module/manifest.ts";
import { type Check, type CheckFinding, type CheckInput, plural, refusals } from "./check.ts";

const EXPORT_SECTION = 7;
const IMPORT_SECTION = 2;

export function size({ size }: CheckInput): Check {
  const good = `${size} bytes`;
  return {
    check: "size",
    expectation: `at most ${MAX_MODULE} bytes`,
    good,
    found: size > MAX_MODULE ? refusals([good]) : [],
  };
}

export function format({ partial: { stopped, sections, module } }: CheckInput): Check {
  const found = stopped === undefined ? [] : [`reading stopped at byte ${stopped.at}: ${stopped.why}`];
  return {
    check: "format",
    expectation: "WebAssembly 2.0 with tail calls, read to its last byte",
    good: `${plural(sections.length, "section")}, ${plural(module?.functionCount ?? 0, "function")}`,
    found: refusals(found),
  };
}

export function manifest({ manifest }: CheckInput): Check {
  const valid = !("fault" in manifest);
  return {
    check: "manifest",
    expectation: `one manifest in the section ${MANIFEST_SECTION}, with ABI 1, written as JSON.stringify writes it`,
    good: valid ? `${manifest.name} ${manifest.version}, ABI ${manifest.abi}` : "",
    found: valid ? [] : refusals([manifest.fault]),
  };
}

export function imports({ partial, rpcs, known }: CheckInput): Check {
  const { imports, module } = partial;
  const reached = new Set(
    rpcs.flatMap(({ reaches }) => reaches.map((each) => `${each.capability} ${each.operation}`)),
  );
  const unknown = imports.flatMap(({ module: namespace, name: operation }): CheckFinding[] => {
    if (!namespace.startsWith(KLEIDI)) return [];
    const capability = namespace.slice(KLEIDI.length);
    const what = `it imports ${escapeName(namespace)} ${escapeName(operation)}, which`;
    if (known.get(capability)?.operations.includes(operation) !== true)
      return [{ severity: "warn", actual: `${what} this host does not provide` }];
    if (module === undefined || reached.has(`${capability} ${operation}`)) return [];
    return [{ severity: "note", actual: `${what} no RPC can reach` }];
  });
  const calls = imports.filter(({ module }) => module.startsWith(KLEIDI)).length;
  return {
    check: "imports",
    expectation:
      "only host calls of kleidi:* and the memory functions of extism:host/env, with their specified types",
    good: wasRead(partial, IMPORT_SECTION)
      ? `${plural(calls, "host call")}, ${plural(imports.length - calls, "memory function")}`
      : undefined,
    found: [...partFaults(partial, "imports"), ...unknown],
  };
}

const RPC_EXPORTS: readonly string[] = RPCS.map((rpc) => `kleidi_${rpc}`);
const MAX_SHOWN = 8;

export function exports({ partial }: CheckInput): Check {
  const isKnown = wasRead(partial, EXPORT_SECTION);
  const provision = partial.exports.some(({ name }) => name === "kleidi_provision");
  return {
    check: "exports",
    expectation: "kleidi_status, kleidi_encrypt and kleidi_decrypt of type () → (i32), and the memory",
    good: isKnown ? `all of them${provision ? ", and kleidi_provision, which creates keys" : ""}` : undefined,
    found: isKnown ? partFaults(partial, "exports") : [],
  };
}

export function unusedExports({ partial }: CheckInput): Check {
  const used = ["memory", ...RPC_EXPORTS, ...RUN_AT_START];
  const others = partial.exports.filter(({ name }) => !used.includes(name));
  const shown = others.slice(0, MAX_SHOWN).map((each) => escapeName(each.name));
  const actual = `${plural(others.length, "other export")}: ${shown.join(", ")}${others.length > MAX_SHOWN ? ", …" : ""}`;
  return {
    check: "exports-uncalled",
    expectation: "no exports that the host does not use",
    good: wasRead(partial, EXPORT_SECTION) ? "none" : undefined,
    found: others.length === 0 ? [] : [{ severity: "note", actual }],
  };
}

/** Returns the contract violations of one part of the module. */
export function partFaults(partial: CheckInput["partial"], part: ContractPart): Check["found"] {
  return refusals(contractFaults(partial).flatMap((fault) => (fault.part === part ? [fault.message] : [])));
}

/** The required order of the sections. */
const ORDER = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11];

/** Returns true if the content of a section is known: it was read, or a later section was. */
export function wasRead({ module, sections }: CheckInput["partial"], id: number): boolean {
  return module !== undefined || sections.some((section) => ORDER.indexOf(section.id) >= ORDER.indexOf(id));
}
