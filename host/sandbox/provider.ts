/** A sandboxed guest as the Provider that kms knows: messages out, replies in, failures into the table's codes. */
import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import {
  DecryptReplySchema,
  DecryptRequestSchema,
  EncryptReplySchema,
  EncryptRequestSchema,
  type Failure,
  ProvisionReplySchema,
  ProvisionRequestSchema,
  StatusReplySchema,
  StatusRequestSchema,
} from "../../proto/provider/v1/provider_pb.ts";
import { type ErrorCode, KleidiError } from "../error.ts";
import type { Rpc } from "../host-call.ts";
import type { DecryptRequest, EncryptRequest, KeyVersions, Provider, Sealed } from "../kms/provider.ts";
import type { Supervisor } from "./supervisor.ts";

/** docs/ABI.md, "Failure codes". */
const FAILURES: Record<number, { code: ErrorCode; said: string }> = {
  1: { code: "ciphertext-invalid", said: "this ciphertext is not its own, or was changed" },
  2: { code: "key-not-ready", said: "the key is missing, disabled or not usable" },
  3: { code: "backend-unreachable", said: "its KMS does not answer" },
  4: { code: "credential-refused", said: "its KMS refused the credential" },
};
const OWN_FAULT = { code: "provider-fault", said: "it failed by its own account" } as const;

export interface ProvisionInput {
  readonly key: string;
  readonly scheme: string;
  readonly material?: Uint8Array | undefined;
}

/** By key: what the operator wrote for the provider to find it in its KMS. */
export type Settings = ReadonlyMap<string, Readonly<Record<string, string>>>;

interface Setting {
  readonly name: string;
  readonly value: string;
}

export class SandboxedProvider implements Provider {
  readonly name: string;
  readonly #supervisor: Supervisor;
  readonly #settings: ReadonlyMap<string, Setting[]>;

  constructor(name: string, supervisor: Supervisor, settings: Settings = new Map()) {
    this.name = name;
    this.#supervisor = supervisor;
    this.#settings = new Map([...settings].map(([key, values]) => [key, sorted(values)]));
  }

  async status(key: string): Promise<KeyVersions> {
    const message = create(StatusRequestSchema, { key, settings: this.#of(key) });
    return await this.#call("status", toBinary(StatusRequestSchema, message), StatusReplySchema);
  }

  async encrypt(request: EncryptRequest): Promise<Sealed> {
    const message = create(EncryptRequestSchema, { ...request, settings: this.#of(request.key) });
    return await this.#call("encrypt", toBinary(EncryptRequestSchema, message), EncryptReplySchema);
  }

  async decrypt({ annotations, ...request }: DecryptRequest): Promise<Uint8Array> {
    const settings = this.#of(request.key);
    const message = create(DecryptRequestSchema, { ...request, annotations: [...annotations], settings });
    const reply = await this.#call("decrypt", toBinary(DecryptRequestSchema, message), DecryptReplySchema);
    return reply.plaintext;
  }

  /** Has a key made that never was; gives its version. Only `kleidi key init` does this. */
  async provision({ key, scheme, material }: ProvisionInput): Promise<string> {
    const settings = this.#of(key);
    const given = { key, scheme, settings, ...(material && { import: material }) };
    const message = create(ProvisionRequestSchema, given);
    const input = toBinary(ProvisionRequestSchema, message);
    return (await this.#call("provision", input, ProvisionReplySchema)).version;
  }

  #of(key: string): Setting[] {
    return this.#settings.get(key) ?? [];
  }

  async #call<Reply extends DescMessage>(
    rpc: Rpc,
    request: Uint8Array,
    schema: Reply,
  ): Promise<MessageShape<Reply>> {
    const output = await this.#supervisor.call(rpc, grease(request));
    let reply: MessageShape<Reply>;
    try {
      reply = fromBinary(schema, output);
    } catch (error) {
      const message = `Cannot accept the reply of provider "${this.name}": it is not a message of ${schema.typeName}`;
      throw new KleidiError("provider-fault", message, error);
    }
    const { failure } = reply as { failure?: Failure };
    if (failure !== undefined) throw this.#failure(rpc, failure);
    return reply;
  }

  /** The guest's own words go to the log as the cause: they may quote a backend. */
  #failure(rpc: Rpc, failure: Failure): KleidiError {
    const { code, said } = FAILURES[failure.code] ?? OWN_FAULT;
    return new KleidiError(
      code,
      `Cannot ${rpc}: provider "${this.name}" says that ${said}`,
      failure.message.slice(0, 512),
    );
  }
}

/** docs/ABI.md, section 4: each name once, sorted by name. */
function sorted(settings: Readonly<Record<string, string>>): Setting[] {
  const names = Object.keys(settings).sort();
  return names.map((name) => ({ name, value: settings[name] ?? "" }));
}

/** Fields that no contract knows, so that a guest that does not ignore them is found on its first call. */
function grease(message: Uint8Array): Uint8Array {
  const field = 1000 + Math.floor(Math.random() * 1000);
  // A LEN field of two bytes: its key is a varint of two bytes for these numbers.
  const key = (field << 3) | 2;
  const greased = new Uint8Array(message.length + 5);
  greased.set(message);
  greased.set([(key & 127) | 128, key >> 7, 2, 0xca, 0xfe], message.length);
  return greased;
}
