/** Makes a provider's module of a raw one: links it, compares the manifest with the code, and examines the result as admission does. Pure. */
import { KleidiError } from "../error.ts";
import { type KnownCapabilities, RPCS } from "../host-call.ts";
import { authorityOf } from "../module/authority.ts";
import { printable } from "../module/contract.ts";
import { assertContract, examine, parseModule } from "../module/examine.ts";
import type { Manifest } from "../module/manifest.ts";
import type { Module } from "../module/wasm/module.ts";
import { reach } from "../module/wasm/reach.ts";
import { type Linked, link, withManifest } from "./link/link.ts";
import { type Row, rowsOf } from "./rows.ts";

/** A linked module with the rows that its code needs. */
export interface Assembled {
  readonly linked: Linked;
  readonly module: Module;
  readonly rows: readonly Row[];
}

/**
 * Links a raw module and computes its rows.
 * @param name the provider's name, for messages
 * @param raw the whole file
 * @throws KleidiError provider-build/link or module-invalid
 */
export function assemble(
  name: string,
  raw: Uint8Array,
  manifest: Manifest,
  { known, debug }: { readonly known: KnownCapabilities; readonly debug: boolean },
): Assembled {
  // the size and the syntax, before anything is rewritten
  parseModule(name, raw);
  const linked = linkRaw(name, raw, debug);
  const module = parseModule(name, linked.bytes);
  assertContract(name, module);
  const authority = authorityOf(reach(module), RPCS);
  const unknown = authority.find(
    ({ capability, operation }) => known.get(capability)?.operations.includes(operation) !== true,
  );
  if (unknown !== undefined) {
    const { capability, operation } = unknown;
    throw linkError(
      name,
      `it imports kleidi:${printable(capability)} ${printable(operation)}, which does not exist`,
    );
  }
  return { linked, module, rows: rowsOf(manifest.capabilities, authority) };
}

function linkRaw(name: string, raw: Uint8Array, debug: boolean): Linked {
  try {
    return link(raw, { debug });
  } catch (error) {
    throw linkError(name, (error as Error).message);
  }
}

function linkError(name: string, why: string): KleidiError {
  return new KleidiError("provider-build/link", `Cannot build provider "${name}": ${why}`);
}

/**
 * Attaches the manifest.
 * @returns the module, which admission accepts
 * @throws KleidiError module-invalid
 */
export function finish(manifest: Manifest, { linked }: Assembled, known: KnownCapabilities): Uint8Array {
  const bytes = withManifest(linked.bytes, JSON.stringify(manifest));
  examine(manifest.name, bytes, known);
  return bytes;
}
