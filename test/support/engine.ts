import assert from "node:assert/strict";
import type { ModuleOutline } from "../../host/module/wasm/module.ts";

/** Asserts that imports, exports and custom sections are the same for the engine and for the host's reader. */
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
  // the engine lists no names, but the manifest must be the same section that the host found
  for (const name of new Set(["kleidi.provider", ...module.customSections.map(({ name }) => name)])) {
    assert.deepEqual(
      module.customSections.filter((custom) => custom.name === name).map(({ bytes }) => Buffer.from(bytes)),
      WebAssembly.Module.customSections(engine, name).map((bytes) => Buffer.from(bytes)),
    );
  }
}
