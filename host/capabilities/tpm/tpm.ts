/**
 * kleidi:tpm: a provider's way to a TPM. enter and leave make one call of a provider at a time the one that uses it; transmit takes a
 * command through the filter (policy.ts) to the device that the grant names, which providers may share without seeing each other.
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
import type { ProviderContext } from "./context.ts";
import { MAX_MEMORY } from "./memory.ts";
import { decideCommand, type TpmGrant } from "./policy.ts";
import { REQUESTS } from "./requests.ts";
import { SharedDevice } from "./shared-device.ts";
import { STORAGE_PRIMARY_SHA256 } from "./template.ts";
import { whereIs } from "./where.ts";

export interface TpmProviderGrant extends TpmGrant {
  /** See transport.ts, whereIs. */
  readonly device: string;
}

export interface TpmOptions {
  /** By the provider's name in the configuration. `templates` are those besides the storage primary's. */
  readonly grants: ReadonlyMap<string, TpmProviderGrant>;
  /** Told why a device cannot be reached, or was lost. */
  readonly warn?: (device: string, why: string) => void;
  /** For one command; absent: two seconds. */
  readonly timeoutMs?: number;
}

/** What is opened; `close` takes out of every TPM what is a provider's, and lets go of it. */
export interface Tpm extends Opened<typeof REQUESTS> {
  close(): Promise<void>;
}

interface Client {
  readonly grant: TpmGrant;
  readonly device: SharedDevice;
  readonly context: ProviderContext;
}

const NOT_INSIDE = refusal(HostCode.INVALID, "the call is not between enter and leave");
const DONE = answer(new Uint8Array());

/** @throws RangeError for a device that there cannot be */
export function openTpm({ grants, timeoutMs, warn = () => {} }: TpmOptions): Tpm {
  const devices = new Map<string, SharedDevice>();
  const clients = new Map<string, Client>();
  for (const [provider, grant] of grants) {
    const device =
      devices.get(grant.device) ?? new SharedDevice({ where: whereIs(grant.device), timeoutMs, warn });
    devices.set(grant.device, device);
    const templates = [STORAGE_PRIMARY_SHA256, ...grant.templates];
    clients.set(provider, { grant: { ...grant, templates }, device, context: device.context(provider) });
  }

  /** For a provider that is granted a TPM. */
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
      await Promise.all([...devices.values()].map((device) => device.close()));
    },
  };
}

function enter({ signal }: HostCall, { context }: Client): Plan | HostAnswer {
  if (context.lease.knows(signal)) return refusal(HostCode.INVALID, "the call has entered already");
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
  if (!context.lease.holds(signal)) return NOT_INSIDE;
  if (context.isBusy) return refusal(HostCode.INVALID, "a command of this call is being performed");
  const { owned, generation } = context;
  const decision = decideCommand(command, { rpc, grant, owned, sha256 });
  const target = decision.name;
  if ("denied" in decision) return denied(call, decision.denied);
  if ("answer" in decision) return { target, perform: () => answer(decision.answer) };
  return { target, perform: () => device.transmit(context, { ...decision, generation }, signal) };
}

function leave({ signal }: HostCall, { context }: Client, { memory }: TpmLeaveRequest): Plan | HostAnswer {
  if (!context.lease.holds(signal)) return NOT_INSIDE;
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
