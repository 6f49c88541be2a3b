/** The module under test: one key in it, a good request for each RPC, and calls through the sandbox. */
import { randomBytes } from "node:crypto";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type Annotation,
  AnnotationSchema,
  DecryptRequestSchema,
  EncryptRequestSchema,
  StatusRequestSchema,
} from "../../proto/provider/v1/provider_pb.ts";
import type { Gate } from "../host-call.ts";
import { associatedData, deriveKeyId } from "../kms/key-id.ts";
import type { Supervisor } from "../sandbox/supervisor.ts";
import { type CallScript, type MadeCall, type Replace, underScript } from "./call-script.ts";
import type { FixtureKey } from "./fixture.ts";
import { placesOf } from "./leak.ts";
import { callsText } from "./made-calls.ts";
import { NotGood } from "./not-good.ts";
import { endingOf, endingOfError, type Outcome, outcomeText, type TestedRpc } from "./outcome.ts";
import type { Json } from "./pattern.ts";

/** The name under which a module runs. */
export const PROVIDER = "subject";
/** Bytes of the API server's seeds. */
const SEED = 32;

const REQUESTS = {
  status: StatusRequestSchema,
  encrypt: EncryptRequestSchema,
  decrypt: DecryptRequestSchema,
};
export type RequestOf<Name extends TestedRpc> = MessageInitShape<(typeof REQUESTS)[Name]>;

/** What the host replaces during one call. */
export interface Script {
  readonly replace?: Replace | undefined;
  readonly gate?: Gate | undefined;
}

/** What Encrypt made of a plaintext, and all that Decrypt needs. */
export interface Sealed {
  readonly key: FixtureKey;
  readonly version: string;
  readonly plaintext: Uint8Array;
  readonly associatedData: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly annotations: readonly Pick<Annotation, "name" | "value">[];
}

export interface SubjectOptions {
  readonly supervisor: Pick<Supervisor, "call">;
  readonly provider: string;
  readonly key: FixtureKey;
  readonly others: readonly FixtureKey[];
  readonly binds: boolean;
  /** A host with other key material that knows the key under the same version; absent where the KMS is a real one. */
  readonly stranger?: Gate | undefined;
  /** The JSON body that the KMS sends with an error status, by status. */
  readonly refusals?: Readonly<Record<string, Json>> | undefined;
  /** The most variants of a case that tries many; a real KMS is slow. */
  readonly variants: number;
  /** Calls at the same time. */
  readonly parallel: number;
}

export class Subject {
  readonly options: SubjectOptions;
  /** Sentences about places that contained a plaintext: in a log line, a failure or the path of a request. */
  readonly leaks = new Set<string>();
  readonly #secrets = new Set<Uint8Array>();
  #good: Promise<Sealed> | undefined;

  constructor(options: SubjectOptions) {
    this.options = options;
  }

  get key(): FixtureKey {
    return this.options.key;
  }

  /** A seed that was encrypted once under the key, for all cases. @throws NotGood */
  good(): Promise<Sealed> {
    this.#good ??= this.status(this.key).then(({ version }) => this.seal({ version }));
    return this.#good;
  }

  /** @throws NotGood */
  async status(key: FixtureKey = this.key) {
    const outcome = await this.call("status", requestOf("status", key));
    if (outcome.kind === "reply") return outcome.reply;
    throw new NotGood(
      `Status of the key "${key.key}" gave ${outcomeText(outcome)}; ${callsText(outcome.made)}`,
    );
  }

  /** Encrypts. @throws NotGood */
  async seal({
    key = this.key,
    version,
    plaintext = randomBytes(SEED),
    associatedData: bound,
  }: { readonly version: string } & Partial<Sealed>): Promise<Sealed> {
    const given = bound ?? (await this.associatedData(version, key));
    const request = requestOf("encrypt", key, { version, plaintext, associatedData: given });
    const outcome = await this.call("encrypt", request, {}, [plaintext]);
    if (outcome.kind === "reply")
      return { key, version, plaintext, associatedData: given, ...copied(outcome.reply) };
    throw new NotGood(
      `Encrypt of ${plaintext.length} bytes with version ${version} gave ${outcomeText(outcome)}; ${callsText(outcome.made)}`,
    );
  }

  /** The bytes that a host binds to a ciphertext of this version (docs/ABI.md, section 7). */
  async associatedData(version: string, { key }: FixtureKey = this.key): Promise<Uint8Array> {
    return associatedData(this.options.provider, await deriveKeyId(key, version));
  }

  /** Decrypts what Encrypt gave, with changes. */
  async open(sealed: Sealed, changes: Partial<RequestOf<"decrypt">> = {}, script: Script = {}) {
    return await this.call("decrypt", requestFor(sealed, changes), script, [sealed.plaintext]);
  }

  /**
   * Calls an export.
   * @param secrets plaintexts that no message and no path may contain
   */
  async call<Name extends TestedRpc>(
    rpc: Name,
    request: Uint8Array,
    { replace, gate }: Script = {},
    secrets: readonly Uint8Array[] = [],
  ): Promise<Outcome<Name>> {
    for (const secret of secrets) this.#secrets.add(secret);
    const made: MadeCall[] = [];
    const script: CallScript = { replace, gate, made, lines: [] };
    let output: Uint8Array | undefined;
    const ending = await underScript(script, async () => {
      try {
        output = await this.options.supervisor.call(rpc, request);
        return endingOf(rpc, output);
      } catch (error) {
        return endingOfError(error);
      }
    });
    const outcome = { ...ending, made, lines: script.lines, output, usage: script.usage } as Outcome<Name>;
    for (const place of placesOf(outcome, secrets)) this.leaks.add(`${place} in ${rpc}`);
    return outcome;
  }

  /** The good request of an RPC. */
  async request(rpc: TestedRpc): Promise<Uint8Array> {
    const good = await this.good();
    if (rpc === "status") return requestOf("status", good.key);
    if (rpc === "decrypt") return requestFor(good);
    const { version, plaintext, associatedData } = good;
    return requestOf("encrypt", good.key, { version, plaintext, associatedData });
  }

  /** The outcome of the good request of an RPC, with its host calls. */
  async callGood<Name extends TestedRpc>(rpc: Name, script: Script = {}): Promise<Outcome<Name>> {
    const { plaintext } = await this.good();
    return await this.call(rpc, await this.request(rpc), script, rpc === "status" ? [] : [plaintext]);
  }
}

/** Encodes a request for a key, with its settings sorted as the host sends them. */
export function requestOf<Name extends TestedRpc>(
  rpc: Name,
  { key, settings }: FixtureKey,
  fields: Partial<RequestOf<Name>> = {},
): Uint8Array {
  const sorted = Object.entries(settings)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => ({ name, value }));
  const schema = REQUESTS[rpc];
  return toBinary(schema, create(schema, { key, settings: sorted, ...fields } as never));
}

function requestFor(sealed: Sealed, changes: Partial<RequestOf<"decrypt">> = {}): Uint8Array {
  const { key, version, ciphertext, associatedData, annotations } = sealed;
  return requestOf("decrypt", key, {
    version,
    ciphertext,
    associatedData,
    annotations: annotations.map((each) => create(AnnotationSchema, each)),
    ...changes,
  });
}

function copied({ ciphertext, annotations }: Pick<Sealed, "ciphertext" | "annotations">) {
  return { ciphertext, annotations: annotations.map(({ name, value }) => ({ name, value })) };
}
