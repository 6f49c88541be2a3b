/**
 * The one function through which every host call passes: decide, then perform. What is not requested, not granted or unknown is
 * denied; a denial is logged and voids the guest's whole call.
 */
import { type Gate, type HostAnswer, type HostCall, HostCode, refusal } from "../host-call.ts";
import { denial, type Grants, type Request } from "./policy.ts";

export interface Client {
  readonly requests: readonly Request[];
  readonly grants: Grants;
  readonly hostCalls: number;
}

/** Performs one operation. What it throws is no denial but a fault of the host. */
export type Operation = (call: HostCall, client: Client) => HostAnswer | Promise<HostAnswer>;

/** Capability, then operation. */
export type Capabilities = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

export interface GateOptions {
  /** By the provider's name in the configuration. */
  readonly clients: ReadonlyMap<string, Client>;
  readonly capabilities: Capabilities;
  readonly onDenied: (call: HostCall, reason: string) => void;
  readonly onFault: (call: HostCall, error: unknown) => void;
}

export function createGate({ clients, capabilities, onDenied, onFault }: GateOptions): Gate {
  return async (call) => {
    const client = clients.get(call.provider);
    const operations = Object.hasOwn(capabilities, call.capability) ? capabilities[call.capability] : {};
    const operation = Object.hasOwn(operations ?? {}, call.operation)
      ? operations?.[call.operation]
      : undefined;
    if (client === undefined || operation === undefined) {
      return deny(call, `kleidi:${call.capability} ${call.operation}: there is no such operation`);
    }
    const reason = denial(call, client.requests, client.grants);
    if (reason !== undefined) return deny(call, reason);
    if (call.ordinal > client.hostCalls) {
      return refusal(HostCode.LIMIT, `at most ${client.hostCalls} host calls are allowed in a call`);
    }
    try {
      const result = await operation(call, client);
      return result.code === HostCode.DENIED ? deny(call, result.message) : result;
    } catch (error) {
      onFault(call, error);
      return refusal(HostCode.UNAVAILABLE, "the host could not do it now");
    }
  };

  function deny(call: HostCall, reason: string): HostAnswer {
    onDenied(call, reason);
    return refusal(HostCode.DENIED, `Cannot grant provider "${call.provider}" ${reason}`);
  }
}
