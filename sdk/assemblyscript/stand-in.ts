/**
 * A stand-in for the host, for unit tests of guests: Extism's blocks in plain arrays, and host calls as plain functions.
 * It is not a sandbox. If the real host would void a call, the stand-in throws, so that a test sees the first fault.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { HostReplySchema } from "../../proto/provider/v1/provider_pb.ts";

/** The answer to a host call: a body, or a host code other than 0. */
export type Answer = Uint8Array | number;

/** Host calls by "capability.operation", e.g. "keystore.seal". */
export type HostCalls = Readonly<Record<string, (request: Uint8Array) => Answer>>;

interface Result {
  /** The return value of the export. */
  readonly returned: number;
  /** The reply; undefined if the guest set none. */
  readonly output: Uint8Array | undefined;
  /** Names and requests of the host calls, in order. */
  readonly calls: { readonly name: string; readonly request: Uint8Array }[];
}

/** A guest in one instance. Call it once, as the host would; call it again only to test what persists in an instance. */
export class StandIn {
  readonly #exports: WebAssembly.Exports;
  readonly #hostCalls: HostCalls;
  #input = new Uint8Array(0);
  #output: Uint8Array | undefined;
  #blocks: (Uint8Array | undefined)[] = [];
  #calls: { name: string; request: Uint8Array }[] = [];

  constructor(module: WebAssembly.Module, hostCalls: HostCalls = {}) {
    this.#hostCalls = hostCalls;
    const imports: Record<string, Record<string, CallableFunction>> = { "extism:host/env": this.#kernel() };
    for (const { module: namespace, name } of WebAssembly.Module.imports(module)) {
      if (!namespace.startsWith("kleidi:")) continue;
      const call = `${namespace.slice("kleidi:".length)}.${name}`;
      imports[namespace] ??= {};
      imports[namespace][name] = (address: bigint) => this.#hostCall(call, address);
    }
    this.#exports = new WebAssembly.Instance(module, imports as WebAssembly.Imports).exports;
  }

  /** Calls an export. Throws if the guest traps or breaks the contract of the blocks. */
  call(name: string, input: Uint8Array): Result {
    this.#input = new Uint8Array(input);
    this.#output = undefined;
    this.#blocks = [];
    this.#calls = [];
    const returned = (this.#exports[name] as () => number)();
    return { returned, output: this.#output, calls: this.#calls };
  }

  #hostCall(name: string, address: bigint): bigint {
    const request = new Uint8Array(this.#block(address));
    this.#calls.push({ name, request });
    const handler = this.#hostCalls[name];
    if (handler === undefined)
      throw new Error(`The guest called ${name}, but the test defines no answer for it`);
    const answer = handler(request);
    const fields =
      typeof answer === "number" ? { code: answer, message: `code ${answer}` } : { body: answer };
    return this.#store(toBinary(HostReplySchema, create(HostReplySchema, fields)));
  }

  #kernel(): Record<string, CallableFunction> {
    const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const at = (address: bigint) => Number(address & 0xffff_ffffn);
    return {
      input_length: () => BigInt(this.#input.length),
      input_load_u8: (offset: bigint) => view(this.#input).getUint8(Number(offset)),
      input_load_u64: (offset: bigint) => view(this.#input).getBigUint64(Number(offset), true),
      alloc: (length: bigint) => this.#store(new Uint8Array(Number(length))),
      free: (address: bigint) => {
        this.#block(address);
        this.#blocks[Number(address >> 32n) - 1] = undefined;
      },
      length: (address: bigint) => BigInt(this.#block(address).length),
      load_u8: (address: bigint) => view(this.#block(address)).getUint8(at(address)),
      load_u64: (address: bigint) => view(this.#block(address)).getBigUint64(at(address), true),
      store_u8: (address: bigint, value: number) => view(this.#block(address)).setUint8(at(address), value),
      store_u64: (address: bigint, value: bigint) =>
        view(this.#block(address)).setBigUint64(at(address), value, true),
      output_set: (address: bigint, length: bigint) => {
        const block = this.#block(address);
        if (BigInt(block.length) !== length)
          throw new Error("The guest's output does not have the length of its block");
        this.#output = new Uint8Array(block);
      },
      error_set: (address: bigint) => {
        this.#block(address);
        throw new Error("The guest set an error");
      },
    };
  }

  #store(bytes: Uint8Array): bigint {
    return BigInt(this.#blocks.push(bytes)) << 32n;
  }

  #block(address: bigint): Uint8Array {
    const block = this.#blocks[Number(address >> 32n) - 1];
    if (block === undefined) throw new Error(`The guest used the address ${address}, which names no block`);
    return block;
  }
}
