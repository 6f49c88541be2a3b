/** The part of the WebAssembly API that tests use and host/sandbox/guest/webassembly.d.ts does not declare. */
declare namespace WebAssembly {
  class RuntimeError extends Error {}
  namespace Module {
    function exports(module: Module): { name: string; kind: string }[];
    function customSections(module: Module, name: string): ArrayBuffer[];
  }
}
