/** The part of the WebAssembly API that the provider's process uses: @types/node has none, and the DOM's types would bring the whole browser. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
    static imports(module: Module): { module: string; name: string; kind: string }[];
  }
}
