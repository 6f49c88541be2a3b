/**
 * Leaves in the process what its program uses and takes everything else away: modules of Node, globals, and parts of `process` that Node's
 * permission model does not guard (signals, reports that are written to any path, flags of the engine, the environment that libraries
 * read paths from). An allow-list: what a later Node adds is not there either. It is the inner layer; the wall does not depend on it.
 */
import { registerHooks } from "node:module";

/** What remains of `process`: what Node itself looks up on it while it runs, and its end. */
export const PROCESS = [
  ...["version", "versions", "arch", "platform", "release", "features", "argv0", "permission"],
  ...["_events", "_eventsCount", "_maxListeners", "domain", "_rawDebug", "emitWarning", "_fatalException"],
  ...["nextTick", "_tickCallback", "exit", "reallyExit", "exitCode", "_exiting", "env"],
];

/** What remains of the globals beside those of the language. */
export const GLOBALS = [
  ...["process", "global", "Buffer", "gc", "WebAssembly", "TextEncoder", "TextDecoder", "URL"],
  ...["setImmediate", "clearImmediate", "setTimeout", "clearTimeout", "queueMicrotask"],
];

/** The language's own (ECMA-262, 19), without those that run text as code. */
const LANGUAGE = [
  ...["globalThis", "Infinity", "NaN", "undefined", "isFinite", "isNaN", "parseFloat", "parseInt"],
  ...["decodeURI", "decodeURIComponent", "encodeURI", "encodeURIComponent", "escape", "unescape"],
  ...[
    "Object",
    "Function",
    "Boolean",
    "Symbol",
    "Number",
    "BigInt",
    "Math",
    "Date",
    "Temporal",
    "String",
    "RegExp",
  ],
  ...["Error", "AggregateError", "EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError"],
  ...[
    "URIError",
    "SuppressedError",
    "DisposableStack",
    "AsyncDisposableStack",
    "Iterator",
    "Promise",
    "Proxy",
  ],
  ...[
    "Reflect",
    "JSON",
    "Intl",
    "Array",
    "ArrayBuffer",
    "SharedArrayBuffer",
    "DataView",
    "Atomics",
    "Map",
    "Set",
  ],
  ...[
    "WeakMap",
    "WeakSet",
    "WeakRef",
    "FinalizationRegistry",
    "Int8Array",
    "Uint8Array",
    "Uint8ClampedArray",
  ],
  ...["Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "BigInt64Array", "BigUint64Array"],
  ...["Float16Array", "Float32Array", "Float64Array"],
];

/** Called once, when the program is loaded and before it is given a module. */
export function harden() {
  const { process } = globalThis;
  registerHooks({
    resolve(specifier) {
      throw new Error(`${specifier} is not there: the program is loaded`);
    },
  });
  keepOnly(process, new Set(PROCESS));
  // Libraries in the process read paths from it while it runs (TZ, SSL_CERT_FILE).
  const value = Object.freeze({});
  Reflect.defineProperty(process, "env", { value, enumerable: true, configurable: false, writable: false });
  keepOnly(globalThis, new Set([...LANGUAGE, ...GLOBALS]));
}

/**
 * @param {object} object
 * @param {ReadonlySet<string>} names
 */
function keepOnly(object, names) {
  for (const name of Reflect.ownKeys(object)) {
    if (typeof name === "symbol" || names.has(name)) continue;
    if (!Reflect.deleteProperty(object, name)) throw new Error(`${name} cannot be taken away`);
  }
}
