/** What tests use of the WebAssembly API besides what host/sandbox/guest/webassembly.d.ts declares. */
declare namespace WebAssembly {
  class RuntimeError extends Error {}
  namespace Module {
    function exports(module: Module): { name: string; kind: string }[];
    function customSections(module: Module, name: string): ArrayBuffer[];
  }
}
