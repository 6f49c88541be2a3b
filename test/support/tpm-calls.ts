/** Calls of guests to one device, behind the real gate and filter: the test provides the bytes of each command. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createGate, type Decision } from "../../host/capabilities/gate.ts";
import { openTpm } from "../../host/capabilities/tpm/tpm.ts";
import type { HostAnswer, Rpc } from "../../host/host-call.ts";
import {
  TpmContextSchema,
  TpmEnterRequestSchema,
  TpmLeaveRequestSchema,
  TpmTransmitRequestSchema,
} from "../../proto/provider/v1/provider_pb.ts";
import * as tpm from "./tpm-commands.ts";

const NONE = new Uint8Array();
const EVERY = ["status", "encrypt", "decrypt", "provision"];
const REQUESTS = [{ capability: "tpm", operations: ["enter", "transmit", "leave"], rpcs: EVERY }];

/** Providers "a" and "b" (or more) on one device, behind the real gate. */
export function setUp(
  t: TestContext,
  device: string,
  { providers = ["a", "b"], timeoutMs = 2000, unseal = false } = {},
) {
  const grant = { device, hierarchies: ["owner"], persistent: [], templates: [], unseal };
  const warnings: string[] = [];
  const capability = openTpm({
    grants: new Map(providers.map((name) => [name, grant])),
    timeoutMs,
    warn: (_device, why) => warnings.push(why),
  });
  t.after(() => capability.close());
  const decisions: Decision[] = [];
  const gate = createGate({
    clients: new Map(
      providers.map((name) => [
        name,
        { requests: REQUESTS, grants: { tpm: grant }, hostCalls: 10_000, hostCallsPerMinute: 1_000_000 },
      ]),
    ),
    capabilities: { tpm: capability },
    alwaysGranted: new Set(),
    witness: {
      decided: (decision) => decisions.push(decision),
      performed() {},
      fault(_call, error) {
        throw error;
      },
    },
  });

  /** One call of a provider's guest. */
  class Call {
    readonly #provider: string;
    readonly #rpc: Rpc;
    readonly #over = new AbortController();

    constructor(provider: string, rpc: Rpc = "encrypt") {
      this.#provider = provider;
      this.#rpc = rpc;
    }

    ask(operation: string, request: Uint8Array): Promise<HostAnswer> {
      const { signal } = this.#over;
      const counts = { ordinal: 1, ordinalOfCapability: 1 };
      return gate({
        provider: this.#provider,
        rpc: this.#rpc,
        ...counts,
        capability: "tpm",
        operation,
        request,
        signal,
      });
    }

    /** The memory. */
    async enter(): Promise<Uint8Array> {
      const { code, body, message } = await this.ask(
        "enter",
        toBinary(TpmEnterRequestSchema, create(TpmEnterRequestSchema)),
      );
      assert.equal(code, 0, message);
      return fromBinary(TpmContextSchema, body).memory;
    }

    transmit(command: Uint8Array): Promise<HostAnswer> {
      return this.ask(
        "transmit",
        toBinary(TpmTransmitRequestSchema, create(TpmTransmitRequestSchema, { command })),
      );
    }

    /** The response to a command that reaches the TPM, or an answer of the resource manager. */
    async send(command: Uint8Array): Promise<Uint8Array> {
      const { code, body, message } = await this.transmit(command);
      assert.equal(code, 0, message);
      return body;
    }

    /** The response to a command that succeeds in the TPM. */
    async done(command: Uint8Array): Promise<Uint8Array> {
      const response = await this.send(command);
      assert.equal(tpm.rc(response), 0, `0x${tpm.rc(response).toString(16)}`);
      return response;
    }

    leave(memory: Uint8Array = NONE): Promise<HostAnswer> {
      return this.ask("leave", toBinary(TpmLeaveRequestSchema, create(TpmLeaveRequestSchema, { memory })));
    }

    /** Ends the call, like the sandbox does for any outcome. */
    end(): void {
      this.#over.abort();
    }
  }

  return { Call, capability, decisions, warnings };
}
