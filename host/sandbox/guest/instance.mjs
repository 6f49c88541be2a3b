/**
 * One instance of the guest for one call: the only file that uses Extism. It turns off the parts of Extism's SDK that a guest must not
 * have: no worker, no fetch, no config, no vars; and it puts blocks under a quota.
 */
import createPlugin from "@extism/extism";

/** @import { Memories } from "./memories.mjs" */

const MAX_BLOCKS = 1024;
const MAX_BLOCK = 1 << 20;
const MAX_BLOCK_BYTES = 4 << 20;
/** Bytes of the text of an error that a guest sets: a trap after it is named too, in the 512 characters of a reason. */
const MAX_STATED = 400;

/** The part of Extism's call context that is used here. */
/**
 * @typedef {object} Context
 * @property {(length: bigint) => bigint} alloc
 * @property {(address: bigint) => { bytes(): Uint8Array } | null} read
 * @property {(bytes: Uint8Array) => bigint} store
 * @property {<T>() => T} hostContext
 */

/** @typedef {(capability: string, operation: string, request: Uint8Array) => Uint8Array | Promise<Uint8Array>} HostCall */

/** Stands for a request whose address is not a block of the guest. It is not a valid message. */
const NO_REQUEST = new Uint8Array([255]);

/**
 * Prepares the engine for the one module of this process. Extism instantiates modules through the global WebAssembly, and supports no
 * import of a memory: it sees the functions among the imports, and the engine gets a memory in addition.
 * @param {WebAssembly.Module} module it imports functions and a memory
 * @param {Memories} memories
 */
export function prepareEngine(module, memories) {
  const functions = WebAssembly.Module.imports(module).filter(({ kind }) => kind === "function");
  const engine = /** @type {any} */ (WebAssembly);
  engine.Module.imports = () => functions;
  engine.instantiate = async (/** @type {unknown} */ _, /** @type {WebAssembly.Imports} */ imports) =>
    new WebAssembly.Instance(module, { ...imports, host: { memory: memories.take() } });
}

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, log() {} };

/**
 * Creates an instance.
 * @param {WebAssembly.Module} module the one that the engine is prepared for
 * @param {Memories} memories
 * @param {{ capability: string, operation: string }[]} imports the module's imports from kleidi:*
 * @param {number} outputBytes the largest output, in bytes
 * @param {boolean} [forwardsCrypto] host calls of kleidi:crypto wait for the host like others
 */
export async function createInstance(module, memories, imports, outputBytes, forwardsCrypto = false) {
  let blocks = 0;
  let blockBytes = 0;
  /** @param {Context} context @param {bigint} length */
  const alloc = (context, length) => {
    blocks += 1;
    blockBytes += Number(length);
    if (blocks > MAX_BLOCKS || length < 1n || length > MAX_BLOCK || blockBytes > MAX_BLOCK_BYTES) {
      throw new RangeError(
        `block ${blocks} of ${length} bytes: at most ${MAX_BLOCKS} of 1 to ${MAX_BLOCK} bytes, ${MAX_BLOCK_BYTES} together, are allowed`,
      );
    }
    return context.alloc(length);
  };
  /** @type {Uint8Array | undefined} */
  let output;
  // Extism's own function ignores the length, and returns the whole block.
  /** @param {Context} context @param {bigint} address @param {bigint} length */
  const output_set = (context, address, length) => {
    const bytes = blockAt(context, address);
    if (bytes === undefined || BigInt(bytes.length) !== length) {
      throw new RangeError(
        `it returned ${length} bytes of ${bytes ? `a block of ${bytes.length} bytes` : "no block"}`,
      );
    }
    if (bytes.length > outputBytes) {
      throw new RangeError(`its output is ${bytes.length} bytes, at most ${outputBytes} are allowed`);
    }
    output = bytes.slice();
  };
  /** @type {{ address: bigint, text: string } | undefined} */
  let stated;
  // Extism's own function loses the text if the guest traps after it.
  /** @param {Context} context @param {bigint} address */
  const error_set = (context, address) => {
    if (address === 0n) {
      stated = undefined;
      return;
    }
    const text = new TextDecoder().decode(blockAt(context, address)?.subarray(0, MAX_STATED));
    // A block that was made before its text was known ends in zeros.
    stated = { address, text: text.replace(/\0+$/, "") };
  };
  const error_get = () => stated?.address ?? 0n;
  /** @type {{ reply: Uint8Array, address: bigint } | undefined} */
  let answered;
  let storedAgain = 0;
  /** @type {Record<string, Record<string, Function>>} */
  const functions = {
    "extism:host/env": { alloc, output_set, error_set, error_get },
  };
  for (const { capability, operation } of imports) {
    const namespace = `kleidi:${capability}`;
    functions[namespace] ??= {};
    const ask = (/** @type {Context} */ context, /** @type {bigint} */ address) => {
      /** @type {HostCall | null} */
      const hostCall = context.hostContext();
      // The start function runs before any call.
      if (hostCall === null) throw new Error("a host call outside of a call");
      return hostCall(capability, operation, read(context, address));
    };
    // crypto is computed here and answered at once: suspending and resuming the guest costs more than most operations.
    functions[namespace][operation] =
      capability === "crypto" && !forwardsCrypto
        ? (/** @type {Context} */ context, /** @type {bigint} */ address) => {
            const reply = ask(context, address);
            if (reply instanceof Promise) throw new Error("an unknown operation of crypto");
            return answer(context, reply);
          }
        : // Extism takes a function for asynchronous only if it is declared async.
          async (/** @type {Context} */ context, /** @type {bigint} */ address) =>
            answer(context, await ask(context, address));
  }
  /** @param {Context} context @param {Uint8Array} reply */
  function answer(context, reply) {
    // A guest over its budget gets the same bytes each time. A new block for each answer would let a loop fill the heap.
    if (answered?.reply === reply) {
      if (holds(context, answered.address, reply)) return answered.address;
      storedAgain += 1;
      if (storedAgain > MAX_BLOCKS)
        throw new RangeError(`it freed or changed the same answer ${storedAgain} times`);
    }
    // A copy: Extism uses the array itself as the block, and the guest could overwrite the next answer.
    answered = { reply, address: context.store(reply.slice()) };
    return answered.address;
  }
  const plugin = await createPlugin(/** @type {any} */ (module), {
    useWasi: false,
    runInWorker: false,
    functions: /** @type {any} */ (functions),
    // Reading the global fetch would load an HTTP client into this process.
    fetch: /** @type {any} */ (() => Promise.reject(new Error("fetch is not available"))),
    logger: /** @type {any} */ (silent),
    allowedHosts: [],
    config: Object.create(null),
  });

  const { exports } = await plugin.getInstance();

  /** Admission requires that the module exports its one memory under this name. */
  const memory = /** @type {WebAssembly.Memory} */ (exports.memory);
  let hasReturned = false;

  return {
    memory,
    /** The blocks that the guest allocated, freed ones included, and their bytes. */
    blocks: () => ({ blocks, blockBytes }),
    /**
     * Runs one export, once.
     * @param {string} name
     * @param {Uint8Array} input
     * @param {HostCall} hostCall
     * @returns {Promise<Uint8Array>} a copy of the output
     */
    async call(name, input, hostCall) {
      // output_set above took the output.
      try {
        await plugin.call(name, input, /** @type {any} */ (hostCall));
      } catch (error) {
        if (stated === undefined) throw error;
        // The guest's text says more than the trap after it, and must not hide a limit of the host.
        stated.text += `; then ${error instanceof Error ? `${error.name}: ${error.message}` : "it ended"}`;
      }
      if (stated !== undefined) throw new Error(`Plugin-originated error: ${stated.text}`);
      if (output === undefined) throw new Error("it returned no output");
      hasReturned = true;
      return output;
    },
    /**
     * Ends the instance. Its memory is used again only if its export has returned: then nothing of it can run any more.
     * @returns {number} the bytes that are garbage now
     */
    end() {
      const canGiveBack = hasReturned;
      // Two instances would share a memory that is given back twice.
      hasReturned = false;
      return canGiveBack && memories.giveBack(memory) ? 0 : memory.buffer.byteLength;
    },
  };
}

/** @typedef {Awaited<ReturnType<typeof createInstance>>} Instance */

/** The bits of an address that are the offset into its block. */
const OFFSET = (1n << 48n) - 1n;

/**
 * Returns a block's bytes without a copy. Extism itself would accept any address within the block.
 * @param {Context} context
 * @param {bigint} address
 */
function blockAt(context, address) {
  return (address & OFFSET) === 0n ? context.read(address)?.bytes() : undefined;
}

/**
 * Returns whether the block still holds the reply: the guest can free it, and would then read an empty reply, or overwrite it.
 * @param {Context} context
 * @param {bigint} address
 * @param {Uint8Array} reply
 */
function holds(context, address, reply) {
  const bytes = blockAt(context, address);
  return bytes !== undefined && Buffer.compare(bytes, reply) === 0;
}

/**
 * Copies the bytes of a block, before any other code can run.
 * @param {Context} context
 * @param {bigint} address
 */
function read(context, address) {
  try {
    return blockAt(context, address)?.slice() ?? NO_REQUEST;
  } catch {
    return NO_REQUEST;
  }
}
