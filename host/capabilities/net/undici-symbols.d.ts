/** The part of undici's internals that collect.ts uses; undici has no types for it. */
declare module "undici/lib/core/symbols.js" {
  const symbols: { readonly kQueuedAbort: unique symbol };
  export default symbols;
}
