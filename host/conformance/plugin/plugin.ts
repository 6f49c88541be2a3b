/** A KMS v2 plugin on a socket, as its API server sees it: calls with an outcome, and one good object for all checks. */
import { randomBytes, randomUUID } from "node:crypto";
import { type KmsClient, nameOfCode } from "../../grpc/client.ts";
import { NotGood } from "../not-good.ts";
import { encryptFault, statusFault } from "./validity.ts";

/** Bytes of the API server's seeds. */
export const SEED = 32;

export type Answer<Reply> =
  | { readonly kind: "reply"; readonly reply: Reply }
  | { readonly kind: "error"; readonly code: number; readonly details: string };

/** What an API server stores for an object that was encrypted under one seed. */
export interface Stored {
  readonly ciphertext: Uint8Array;
  readonly keyId: string;
  readonly annotations: Readonly<Record<string, Uint8Array>>;
}

/** A seed and its stored form. */
export interface Sealed extends Stored {
  readonly plaintext: Uint8Array;
}

export interface PluginOptions {
  /** Milliseconds for a call: the `timeout` of the EncryptionConfiguration. */
  readonly timeoutMs: number;
  /** Makes a connection of its own. */
  readonly connect: () => KmsClient;
  /** The most variants of a check that tries many. */
  readonly variants: number;
  /** Calls at the same time. */
  readonly parallel: number;
}

export class Plugin {
  readonly options: PluginOptions;
  /** Messages of errors, each with the plaintext of its call. */
  readonly messages: { readonly details: string; readonly plaintext: Uint8Array }[] = [];
  readonly #client: KmsClient;
  #good: Promise<Sealed> | undefined;

  constructor(options: PluginOptions) {
    this.options = options;
    this.#client = options.connect();
  }

  /** A seed that was encrypted once, for all checks. @throws NotGood */
  good(): Promise<Sealed> {
    this.#good ??= this.seal();
    return this.#good;
  }

  /** @throws NotGood if Status fails, or its reply is not one that an API server accepts */
  async status() {
    const answer = await answerOf(this.#client.status(this.options.timeoutMs));
    const fault = answer.kind === "reply" ? statusFault(answer.reply) : answerText(answer);
    if (answer.kind === "reply" && fault === undefined) return answer.reply;
    throw new NotGood(`Status gave ${fault}`);
  }

  async encrypt(plaintext: Uint8Array, uid: string = randomUUID()) {
    const answer = await answerOf(this.#client.encrypt({ plaintext, uid }, this.options.timeoutMs));
    return this.#noted(answer, plaintext);
  }

  async decrypt({ ciphertext, keyId, annotations }: Stored, uid: string = randomUUID()) {
    const request = { ciphertext, keyId, annotations: { ...annotations }, uid };
    return await answerOf(this.#client.decrypt(request, this.options.timeoutMs));
  }

  /** Encrypts. @throws NotGood if that fails, or the reply is not one that an API server accepts */
  async seal(plaintext: Uint8Array = randomBytes(SEED), uid?: string): Promise<Sealed> {
    const answer = await this.encrypt(plaintext, uid);
    const fault = answer.kind === "reply" ? encryptFault(answer.reply) : answerText(answer);
    if (answer.kind === "error" || fault !== undefined)
      throw new NotGood(`Encrypt of ${plaintext.length} bytes gave ${fault}`);
    const { ciphertext, keyId, annotations } = answer.reply;
    return { plaintext, ciphertext, keyId, annotations };
  }

  /** @returns the fault of a Decrypt that should give the plaintext, as the end of a sentence */
  async openFault(sealed: Sealed, uid?: string): Promise<string | undefined> {
    const answer = await this.decrypt(sealed, uid);
    if (answer.kind === "error") return `its Decrypt gave ${answerText(answer)}`;
    const isSame = Buffer.compare(answer.reply.plaintext, sealed.plaintext) === 0;
    return isSame ? undefined : "its Decrypt gave another plaintext";
  }

  close(): void {
    this.#client.close();
  }

  #noted<Reply>(answer: Answer<Reply>, plaintext: Uint8Array): Answer<Reply> {
    if (answer.kind === "error") this.messages.push({ details: answer.details, plaintext });
    return answer;
  }
}

async function answerOf<Reply>(call: Promise<Reply>): Promise<Answer<Reply>> {
  try {
    return { kind: "reply", reply: await call };
  } catch (error) {
    const { code, details } = error as { code?: number; details?: string };
    if (code === undefined) throw error;
    return { kind: "error", code, details: details ?? "" };
  }
}

/** An answer as the object of "gave". */
export function answerText(answer: Answer<unknown>): string {
  if (answer.kind === "reply") return "a good reply";
  return `the error ${nameOfCode(answer.code)} ("${answer.details.slice(0, 200)}")`;
}
