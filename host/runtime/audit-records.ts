/** The audit records of a serving host, made from its events. Pure, apart from hashing. */
import { hashOf } from "../audit/chain.ts";
import type { Entry } from "../audit/record.ts";
import type { CredentialEvent } from "../capabilities/capability.ts";
import type { Decision, Outcome } from "../capabilities/gate.ts";
import type { ErrorCode } from "../error.ts";
import type { RpcContext, RpcReply } from "../grpc/interceptor.ts";
import { type HostCall, HostCode } from "../host-call.ts";
import { parseKeyId } from "../kms/key-id.ts";
import type { KeyConfig, Keyset } from "../kms/keyset.ts";
import type { ProviderEvent, Reload } from "./observer.ts";

/** The outcome of a host call by its code (docs/ABI.md, section 5). */
const OUTCOMES = new Map<number, string>(
  Object.entries(HostCode).map(([name, code]) => [code, name.toLowerCase().replaceAll("_", "-")]),
);

/** An RPC that fails with one of these was refused before anything was done for it. */
const REFUSED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "request-invalid",
  "request-too-large",
  "annotations-invalid",
  "key-unknown",
  "overloaded",
]);

const CREDENTIAL_EVENTS = {
  read: "login",
  login: "login",
  renewed: "renew",
  refused: "refused",
  failed: "failed",
} as const;

/** Makes records that name a provider: each has the SHA-256 of the provider's module. */
export class AuditRecords {
  readonly #modules: ReadonlyMap<string, string>;

  /** @param modules provider → the pinned SHA-256 of its module, which admission has compared with the file */
  constructor(modules: ReadonlyMap<string, string>) {
    this.#modules = modules;
  }

  /** @param uid of the RPC that the host call belongs to; undefined in a probe */
  decision({ call, verdict, why, target }: Decision, uid: string | undefined) {
    const { provider, rpc, capability, operation, ordinal, request } = call;
    return {
      kind: "host_call",
      rpc,
      uid,
      provider,
      module: this.#modules.get(provider),
      ordinal,
      capability,
      operation,
      target,
      decision: verdict,
      rule: why,
      request_bytes: request.length,
    } as const satisfies Entry;
  }

  outcome(decision: Decision, { code, ms, size }: Outcome, uid: string | undefined): Entry {
    const outcome = OUTCOMES.get(code) ?? "unknown";
    return { ...this.decision(decision, uid), ms, reply_bytes: size, outcome };
  }

  fault(call: HostCall, uid: string | undefined): Entry {
    const decision = { call, verdict: "refused", why: "it failed in the host" } as const;
    return { ...this.decision(decision, uid), outcome: "fault" };
  }

  rpc(
    { rpc, uid, requestBytes }: RpcContext,
    { keyId, ms, failure, message }: RpcReply,
    keyset: Keyset,
  ): Entry {
    const key = keyOf(keyset, rpc, keyId);
    // A composed key has several: the records of its host calls name each.
    const provider = key?.provider?.name;
    return {
      kind: "rpc",
      rpc: rpc.toLowerCase() as Lowercase<typeof rpc>,
      uid: uid === "" ? undefined : uid,
      provider,
      module: provider === undefined ? undefined : this.#modules.get(provider),
      key: key?.name,
      key_id_sha256: keyId === undefined ? undefined : hashOf(keyId),
      decision: decisionOf(failure?.code),
      rule: key === undefined ? undefined : `keys.${key.name}`,
      request_bytes: requestBytes,
      reply_bytes: message?.length,
      ms,
      outcome: failure?.code ?? "ok",
    };
  }

  credential({ provider, event, expires }: CredentialEvent): Entry {
    return {
      kind: "credential",
      provider,
      event: CREDENTIAL_EVENTS[event],
      expires: expires === undefined ? undefined : new Date(expires).toISOString(),
    };
  }

  provider(provider: string, event: ProviderEvent): Entry {
    const reason = event.type === "started" ? undefined : event.reason;
    return { kind: "provider", provider, event: event.type, module: this.#modules.get(provider), reason };
  }

  reload(reload: Reload): Entry {
    return reload.outcome === "applied"
      ? { kind: "reload", outcome: "applied", config: reload.config.sha256 }
      : { kind: "reload", outcome: "refused", config: reload.sha256, reason: reload.failure.message };
  }
}

/** The key that an RPC is about: the one of the key_id, or the active one, also if the RPC failed. */
function keyOf(keyset: Keyset, rpc: RpcContext["rpc"], keyId: string | undefined): KeyConfig | undefined {
  if (keyId === undefined) return rpc === "Decrypt" ? undefined : keyset.active.key;
  try {
    return keyset.ownerOf(parseKeyId(keyId));
  } catch {
    return undefined;
  }
}

function decisionOf(code: ErrorCode | undefined): "allowed" | "denied" | "refused" {
  if (code === "capability-denied") return "denied";
  return code !== undefined && REFUSED.has(code) ? "refused" : "allowed";
}
