/**
 * Removes everything from the process that its program does not use: Node's modules, globals, and parts of `process` that Node's permission
 * model does not cover (signals, reports written to any path, engine flags, the environment from which libraries read paths). The lists
 * name what remains, so additions of a later Node are removed too. It is the inner layer; the wall does not depend on it.
 */
import { registerHooks } from "node:module";

/** The properties of `process` that remain: those that Node itself uses at run time, and exit. */
export const PROCESS = [
  ...["version", "versions", "arch", "platform", "release", "features", "argv0", "permission"],
  ...["_events", "_eventsCount", "_maxListeners", "domain", "_rawDebug", "emitWarning", "_fatalException"],
  ...["nextTick", "_tickCallback", "exit", "reallyExit", "exitCode", "_exiting", "env"],
];

/** The globals that remain, besides those of the language. */
export const GLOBALS = [
  ...["process", "global", "Buffer", "gc", "WebAssembly", "TextEncoder", "TextDecoder", "URL"],
  ...["setImmediate", "clearImmediate", "setTimeout", "clearTimeout", "queueMicrotask"],
];

/** The globals of the language (ECMA-262, 19), without those that run text as code. */
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

/** Call it once, when the program is loaded and before it gets a module. */
export function harden() {
  const { process } = globalThis;
  registerHooks({
    resolve(specifier) {
      throw new Error(`${specifier} cannot be imported: the program is loaded`);
    },
  });
  keepOnly(process, new Set(PROCESS));
  // Libraries in the process read paths from the environment at run time (TZ, SSL_CERT_FILE).
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
    if (!Reflect.deleteProperty(object, name)) throw new Error(`${name} cannot be deleted`);
  }
}
