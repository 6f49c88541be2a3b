/**
 * kleidi:tpm: a provider's access to a TPM. `enter` and `leave` let one call of a provider at a time use it. `transmit` passes a command
 * through the filter (policy.ts) to the device of the grant. Providers may share a device without seeing each other's objects.
 */
import { createHash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  TpmContextSchema,
  type TpmLeaveRequest,
  type TpmTransmitRequest,
} from "../../../proto/provider/v1/provider_pb.ts";
import { answer, type HostAnswer, type HostCall, HostCode, refusal } from "../../host-call.ts";
import { denied, type Opened, type Plan } from "../capability.ts";
import { type DevicePlace, takePlace } from "./device-pool.ts";
import { MAX_MEMORY } from "./memory.ts";
import { decideCommand, type TpmGrant } from "./policy.ts";
import { REQUESTS } from "./requests.ts";
import { STORAGE_PRIMARY_SHA256 } from "./template.ts";

export interface TpmProviderGrant extends TpmGrant {
  /** See parse-device.ts. */
  readonly device: string;
}

export interface TpmOptions {
  /** By the provider's name in the configuration. `templates` come in addition to the storage primary's. */
  readonly grants: ReadonlyMap<string, TpmProviderGrant>;
  /** Called with the reason when a device cannot be reached, or was lost. */
  readonly warn?: (device: string, why: string) => void;
  /** For one command, in milliseconds; absent: two seconds. */
  readonly timeoutMs?: number;
}

/** The opened capability. `close` flushes the objects and sessions of its providers, and closes every TPM that nothing else uses. */
export interface Tpm extends Opened<typeof REQUESTS> {
  close(): Promise<void>;
}

interface Client extends DevicePlace {
  readonly grant: TpmGrant;
}

const NOT_INSIDE = refusal(HostCode.INVALID, "the call is not between enter and leave");
const DONE = answer(new Uint8Array());

/** @throws RangeError a device name that is not valid */
export function openTpm({ grants, timeoutMs, warn = () => {} }: TpmOptions): Tpm {
  const clients = new Map<string, Client>();
  for (const [provider, grant] of grants) {
    const templates = [STORAGE_PRIMARY_SHA256, ...grant.templates];
    clients.set(provider, {
      grant: { ...grant, templates },
      ...takePlace(grant.device, { timeoutMs, warn }),
    });
  }

  /** Denies a provider that is not granted a TPM. */
  const withClient = (call: HostCall, decide: (client: Client) => Plan | HostAnswer): Plan | HostAnswer => {
    const client = clients.get(call.provider);
    return client === undefined ? denied(call, "no TPM is granted") : decide(client);
  };
  return {
    requests: REQUESTS,
    decide: {
      enter: (_request, call) => withClient(call, (client) => enter(call, client)),
      transmit: (request, call) => withClient(call, (client) => transmit(call, client, request)),
      leave: (request, call) => withClient(call, (client) => leave(call, client, request)),
    },
    async close() {
      await Promise.all([...clients.values()].map((client) => client.leave()));
    },
  };
}

function enter({ signal }: HostCall, { context }: Client): Plan | HostAnswer {
  if (context.lock.isHeldOrAwaitedBy(signal))
    return refusal(HostCode.INVALID, "the call has already entered");
  return {
    target: "turn",
    async perform() {
      const memory = await context.enter(signal);
      if (memory === undefined) return refusal(HostCode.UNAVAILABLE, "the call is over");
      const body = toBinary(TpmContextSchema, create(TpmContextSchema, { memory }));
      memory.fill(0);
      return answer(body);
    },
  };
}

function transmit(
  call: HostCall,
  { context, device, grant }: Client,
  { command }: TpmTransmitRequest,
): Plan | HostAnswer {
  const { signal, rpc } = call;
  if (!context.lock.isHeldBy(signal)) return NOT_INSIDE;
  if (context.isBusy) return refusal(HostCode.INVALID, "a command of this call is being performed");
  const { owned, generation } = context;
  const decision = decideCommand(command, { rpc, grant, owned, sha256 });
  const target = decision.name;
  if ("denied" in decision) return denied(call, decision.denied);
  if ("answer" in decision) return { target, perform: () => answer(decision.answer) };
  return { target, perform: () => device.transmit(context, { ...decision, generation }, signal) };
}

function leave({ signal }: HostCall, { context }: Client, { memory }: TpmLeaveRequest): Plan | HostAnswer {
  if (!context.lock.isHeldBy(signal)) return NOT_INSIDE;
  if (context.isBusy) return refusal(HostCode.INVALID, "a command of this call is being performed");
  if (memory.length > MAX_MEMORY) {
    return refusal(HostCode.INVALID, `a memory of ${memory.length} bytes, at most ${MAX_MEMORY} are kept`);
  }
  return {
    target: "turn",
    perform() {
      context.leave(signal, memory);
      memory.fill(0);
      return DONE;
    },
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
