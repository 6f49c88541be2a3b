import assert from "node:assert/strict";
import type { ModuleOutline } from "../../host/module/wasm/module.ts";

/** Imports, exports and custom sections are the same for the engine and for us. */
export function assertEngineAgrees(bytes: Uint8Array, module: ModuleOutline): void {
  const engine = new WebAssembly.Module(bytes);
  assert.deepEqual(
    module.imports.map(({ module, name, kind }) => ({ module, name, kind })),
    WebAssembly.Module.imports(engine).map(({ module, name, kind }) => ({ module, name, kind })),
  );
  assert.deepEqual(
    module.exports.map(({ name, kind }) => ({ name, kind })),
    WebAssembly.Module.exports(engine).map(({ name, kind }) => ({ name, kind })),
  );
  // the engine gives no list of names, but the manifest must be no other section than we found
  for (const name of new Set(["kleidi.provider", ...module.customSections.map(({ name }) => name)])) {
    assert.deepEqual(
      module.customSections.filter((custom) => custom.name === name).map(({ bytes }) => Buffer.from(bytes)),
      WebAssembly.Module.customSections(engine, name).map((bytes) => Buffer.from(bytes)),
    );
  }
}
