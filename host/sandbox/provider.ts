/** Implements the Provider of kms with a sandboxed guest: encodes requests, decodes replies, and maps failures to error codes. */
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
import { type FaultName, KleidiError } from "../error.ts";
import type { FailedStep, Rpc } from "../host-call.ts";
import type { DecryptRequest, EncryptRequest, KeyVersions, Provider, Sealed } from "../kms/provider.ts";
import type { HostFailures } from "./pending-calls.ts";
import type { Supervisor } from "./supervisor.ts";

/** docs/ABI.md, "Failure codes". */
const FAILURES: Record<number, { fault: FaultName; reason: string }> = {
  1: { fault: "ciphertext-invalid/refused", reason: "this ciphertext is not its own or was modified" },
  2: { fault: "key-not-ready/refused", reason: "the key is missing, disabled or not usable" },
  3: { fault: "backend-unreachable/answer", reason: "its KMS does not answer" },
  4: { fault: "credential-refused/policy", reason: "its KMS refused the credential" },
};
/** By the step that failed. A guest that calls a refused login unreachable does not change its remedy. */
const UNREACHABLE: Readonly<Record<FailedStep, FaultName>> = {
  file: "backend-unreachable/file",
  name: "backend-unreachable/name",
  connection: "backend-unreachable/connection",
  tls: "backend-unreachable/tls",
  time: "backend-unreachable/time",
  answer: "backend-unreachable/answer",
  login: "credential-refused/login",
  tpm: "backend-unreachable/tpm",
  hsm: "backend-unreachable/hsm",
};
const INTERNAL_FAILURE = { fault: "provider-fault/failed", reason: "it failed internally" } as const;

export interface ProvisionInput {
  readonly key: string;
  readonly scheme: string;
  readonly material?: Uint8Array | undefined;
}

/** By key name: the settings from the configuration, by which the provider finds the key in its KMS. */
export type Settings = ReadonlyMap<string, Readonly<Record<string, string>>>;
/** By key name: the format of another plugin whose objects the key decrypts. */
export type ForeignFormats = ReadonlyMap<string, string>;

interface Setting {
  readonly name: string;
  readonly value: string;
}

export class SandboxedProvider implements Provider {
  readonly name: string;
  readonly #supervisor: Supervisor;
  readonly #settings: ReadonlyMap<string, Setting[]>;
  readonly #foreign: ForeignFormats;

  constructor(
    name: string,
    supervisor: Supervisor,
    settings: Settings = new Map(),
    foreign: ForeignFormats = new Map(),
  ) {
    this.name = name;
    this.#supervisor = supervisor;
    this.#foreign = foreign;
    this.#settings = new Map([...settings].map(([key, values]) => [key, sorted(values)]));
  }

  async status(key: string): Promise<KeyVersions> {
    const message = create(StatusRequestSchema, {
      key,
      settings: this.#settingsOf(key),
      foreignFormat: this.#foreign.get(key) ?? "",
    });
    return await this.#call("status", toBinary(StatusRequestSchema, message), StatusReplySchema);
  }

  async encrypt(request: EncryptRequest): Promise<Sealed> {
    const message = create(EncryptRequestSchema, { ...request, settings: this.#settingsOf(request.key) });
    return await this.#call("encrypt", toBinary(EncryptRequestSchema, message), EncryptReplySchema);
  }

  async decrypt({ annotations, ...request }: DecryptRequest): Promise<Uint8Array> {
    const message = create(DecryptRequestSchema, {
      ...request,
      annotations: [...annotations],
      settings: this.#settingsOf(request.key),
      foreignFormat: this.#foreign.get(request.key) ?? "",
    });
    const reply = await this.#call("decrypt", toBinary(DecryptRequestSchema, message), DecryptReplySchema);
    return reply.plaintext;
  }

  /**
   * Creates a key, and returns its version. Only `kleidi key init` calls it.
   * @throws KleidiError the provider's failure, for example if the key exists or ever existed
   */
  async provision({ key, scheme, material }: ProvisionInput): Promise<string> {
    const settings = this.#settingsOf(key);
    const given = { key, scheme, settings, ...(material && { import: material }) };
    const message = create(ProvisionRequestSchema, given);
    const input = toBinary(ProvisionRequestSchema, message);
    return (await this.#call("provision", input, ProvisionReplySchema)).version;
  }

  #settingsOf(key: string): Setting[] {
    return this.#settings.get(key) ?? [];
  }

  async #call<Reply extends DescMessage>(
    rpc: Rpc,
    request: Uint8Array,
    schema: Reply,
  ): Promise<MessageShape<Reply>> {
    const failures: HostFailures = {};
    const output = await this.#supervisor.call(rpc, grease(request), failures);
    let reply: MessageShape<Reply>;
    try {
      reply = fromBinary(schema, output);
    } catch (error) {
      const message = `Cannot accept the reply of provider "${this.name}": it is not a message of ${schema.typeName}`;
      throw new KleidiError("provider-fault/reply", message, error);
    }
    const { failure } = reply as { failure?: Failure };
    if (failure !== undefined) throw this.#failure(rpc, failure, failures.step);
    return reply;
  }

  /** The guest's message becomes the cause, which goes to the log only: it can quote the backend. */
  #failure(rpc: Rpc, failure: Failure, step: FailedStep | undefined): KleidiError {
    const { fault, reason } = FAILURES[failure.code] ?? INTERNAL_FAILURE;
    return new KleidiError(
      atStep(fault, step),
      `Cannot ${rpc}: provider "${this.name}" reports that ${reason}`,
      failure.message.slice(0, 512),
    );
  }
}

/** The guest says that its KMS failed. The host knows at which step: the guest's word does not choose the remedy. */
function atStep(fault: FaultName, step: FailedStep | undefined): FaultName {
  if (fault === "credential-refused/policy" && step === "login") return "credential-refused/login";
  return fault === "backend-unreachable/answer" && step !== undefined ? UNREACHABLE[step] : fault;
}

/** Sorts settings by name (docs/ABI.md, section 4). */
function sorted(settings: Readonly<Record<string, string>>): Setting[] {
  const names = Object.keys(settings).sort();
  return names.map((name) => ({ name, value: settings[name] ?? "" }));
}

/** Adds an unknown field, so that a guest that does not ignore unknown fields fails on its first call. */
function grease(message: Uint8Array): Uint8Array {
  const field = 1000 + Math.floor(Math.random() * 1000);
  // A LEN field of two bytes: its key is a varint of two bytes for these numbers.
  const key = (field << 3) | 2;
  const greased = new Uint8Array(message.length + 5);
  greased.set(message);
  greased.set([(key & 127) | 128, key >> 7, 2, 0xca, 0xfe], message.length);
  return greased;
}
