/** A provider of a KMS over HTTP in the stand-in, for tests: its three calls, with a function of the test in place of the server. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import * as pb from "../../../proto/provider/v1/provider_pb.ts";
import { StandIn } from "../../../sdk/assemblyscript/stand-in.ts";
import { cryptoCalls } from "../../../sdk/assemblyscript/stand-in-crypto.ts";
import { buildAll } from "../../build.ts";

/** A response, or the host code of a request that got none. */
export type Server = (request: pb.NetRequest) => MessageInitShape<typeof pb.NetResponseSchema> | number;

export const unasked: Server = ({ path }) =>
  assert.fail(`the server must not be called, but got a request for ${path}`);

export class Guest {
  readonly #module: WebAssembly.Module;
  readonly #most: number;

  private constructor(module: WebAssembly.Module, most: number) {
    this.#module = module;
    this.#most = most;
  }

  /** @param most the requests that one call may send */
  static async load(provider: string, most = 1): Promise<Guest> {
    const built = (await buildAll()).find(({ name }) => name === provider);
    assert.ok(built);
    return new Guest(new WebAssembly.Module(await readFile(built.path)), most);
  }

  status(fields: MessageInitShape<typeof pb.StatusRequestSchema>, server: Server): pb.StatusReply {
    const input = toBinary(pb.StatusRequestSchema, create(pb.StatusRequestSchema, fields));
    return fromBinary(pb.StatusReplySchema, this.#call("kleidi_status", input, server));
  }

  encrypt(fields: MessageInitShape<typeof pb.EncryptRequestSchema>, server: Server): pb.EncryptReply {
    const input = toBinary(pb.EncryptRequestSchema, create(pb.EncryptRequestSchema, fields));
    return fromBinary(pb.EncryptReplySchema, this.#call("kleidi_encrypt", input, server));
  }

  decrypt(fields: MessageInitShape<typeof pb.DecryptRequestSchema>, server: Server): pb.DecryptReply {
    const input = toBinary(pb.DecryptRequestSchema, create(pb.DecryptRequestSchema, fields));
    return fromBinary(pb.DecryptReplySchema, this.#call("kleidi_decrypt", input, server));
  }

  /** Calls a new instance, as the host does. Throws if the guest traps or calls the server too often. */
  #call(name: string, input: Uint8Array, server: Server): Uint8Array {
    let asked = 0;
    const request = (bytes: Uint8Array): Uint8Array | number => {
      assert.ok(++asked <= this.#most, `at most ${this.#most} requests per call`);
      const answer = server(fromBinary(pb.NetRequestSchema, bytes));
      if (typeof answer === "number") return answer;
      return toBinary(pb.NetResponseSchema, create(pb.NetResponseSchema, answer));
    };
    const calls = { ...cryptoCalls, "net.request": request, "log.write": () => new Uint8Array() };
    const standIn = new StandIn(this.#module, calls);
    const { returned, output } = standIn.call(name, input);
    assert.equal(returned, 0);
    return output ?? assert.fail("the provider gave no reply");
  }
}

/** Returns the reply's failure as code and message; [] if it has none. */
export function failureOf(reply: { failure?: pb.Failure | undefined }): [] | [number, string] {
  return reply.failure === undefined ? [] : [reply.failure.code, reply.failure.message];
}
