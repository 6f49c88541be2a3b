/**
 * What a serving host puts into the audit log, and where it learns it from: the gate's witness, the server, the supervisors and the
 * credentials. Which uid a host call belongs to is known by the async context of its RPC; a probe's has none.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { hashOf } from "../audit/chain.ts";
import { AuditLog } from "../audit/log.ts";
import type { Entry } from "../audit/record.ts";
import type { CredentialEvent } from "../capabilities/capability.ts";
import type { Decision, Outcome } from "../capabilities/gate.ts";
import type { AuditConfig, Config } from "../config/config.ts";
import { type ErrorCode, KleidiError } from "../error.ts";
import type { Interceptor, RpcContext, RpcReply } from "../grpc/interceptor.ts";
import { type HostCall, HostCode } from "../host-call.ts";
import { parseKeyId } from "../kms/key-id.ts";
import type { KeyConfig, Keyset } from "../kms/keyset.ts";
import { within } from "../lib/deadline.ts";
import type { WallName } from "../sandbox/wall/wall.ts";
import type { Logger } from "../telemetry/log.ts";
import type { AuditSample } from "../telemetry/metrics.ts";
import { endAnyway } from "./end-anyway.ts";

/** The API server waits 3 s, and 2.4 of them may be gone. */
const SETTLED_MS = 400;
/** For a host that has nothing more to do, and whose disk hangs. */
const END_MS = 1_000;

/** Answers to a host call, by code (docs/ABI.md, section 5). */
const OUTCOMES = new Map<number, string>(
  Object.entries(HostCode).map(([name, code]) => [code, name.toLowerCase().replaceAll("_", "-")]),
);

/** RPCs that are refused before anything is done for them. */
const REFUSED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "request-invalid",
  "request-too-large",
  "annotations-invalid",
  "key-unknown",
  "overloaded",
]);

const EVENTS = {
  read: "login",
  login: "login",
  renewed: "renew",
  refused: "refused",
  failed: "failed",
} as const;

/** What the host's start record says of the host. */
export interface StartInfo {
  readonly version: string;
  /** The wall around providers' processes. */
  readonly wall: WallName;
}

export class AuditTrail {
  readonly #log: AuditLog;
  readonly #uids = new AsyncLocalStorage<string>();
  /** Provider → its module's SHA-256: the pin, which admission has held the bytes against. */
  readonly #modules: ReadonlyMap<string, string>;
  readonly #failures: { count: number };
  readonly #logger: Logger;
  #keyset: Keyset | undefined;

  private constructor(
    log: AuditLog,
    modules: ReadonlyMap<string, string>,
    failures: { count: number },
    logger: Logger,
  ) {
    this.#log = log;
    this.#logger = logger;
    this.#modules = modules;
    this.#failures = failures;
  }

  /** @throws KleidiError audit-invalid, audit-failed */
  static async open(
    config: Config,
    settings: AuditConfig,
    { version, wall }: StartInfo,
    log: Logger,
  ): Promise<AuditTrail> {
    const failures = { count: 0 };
    const opened = await AuditLog.open(settings, {
      onSink(sink, failure) {
        if (failure === undefined) return log.info({ sink }, "the audit log's sink takes lines again");
        failures.count += 1;
        log.error({ sink, why: failure.error }, "a sink of the audit log takes no lines");
      },
      onFault(fault) {
        failures.count += 1;
        log.error({ why: fault.message }, "the audit log cannot go on: nothing is served until a new start");
      },
      onAside: (aside) =>
        log.error(
          { ...aside },
          "the audit log is not the one that this host left: it was set aside, and a new chain begins",
        ),
    });
    const modules = new Map(config.providers.map(({ name, sha256 }) => [name, sha256]));
    const digest = hashOf(JSON.stringify(config));
    const { pid } = process;
    opened.append({ kind: "start", version, config: digest, wall, pid, ...opened.claim });
    await opened.settled();
    return new AuditTrail(opened, modules, failures, log);
  }

  /** For the names of keys; before it is told, RPCs have none. */
  knows(keyset: Keyset): void {
    this.#keyset = keyset;
  }

  /** Writes the RPC's record before its reply is sent. The host calls that are made for it have its uid. */
  readonly intercept: Interceptor = (call, next) =>
    this.#uids.run(call.uid, async () => {
      const reply = await next();
      await this.#rpc(call, reply);
      return reply;
    });

  /** @throws KleidiError audit-failed: no sink takes lines, and no RPC would be answered with anything else */
  assertReady(): void {
    this.#log.assertReady();
  }

  /** @throws KleidiError audit-failed: then nothing is done */
  decided(decision: Decision): void {
    // An allowed one is recorded when it is done, with what came of it.
    if (decision.verdict === "allowed") this.#log.assertReady();
    else this.#log.append(this.#hostCall(decision));
  }

  /** @throws KleidiError audit-failed: then the guest does not get its answer */
  performed(decision: Decision, { code, ms, size }: Outcome): void {
    const outcome = OUTCOMES.get(code) ?? "unknown";
    this.#log.append({ ...this.#hostCall(decision), ms, reply_bytes: size, outcome });
  }

  /** Of what failed in the host. What could not be recorded is no fault of its own. */
  fault(call: HostCall): void {
    this.#quietly({
      ...this.#hostCall({ call, verdict: "refused", why: "it failed in the host" }),
      outcome: "fault",
    });
  }

  /** The RPC's record; resolves when it, and all that was done for it, is written. @throws KleidiError audit-failed */
  async #rpc(
    { rpc, uid, requestBytes }: RpcContext,
    { keyId, ms, failure, message }: RpcReply,
  ): Promise<void> {
    const key = this.#keyOf(rpc, keyId);
    const provider = key?.provider.name;
    this.#log.append({
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
    });
    await within(SETTLED_MS, this.#log.settled(), tooLate);
  }

  credential({ provider, event, expires }: CredentialEvent): void {
    this.#quietly({
      kind: "credential",
      provider,
      event: EVENTS[event],
      expires: expires === undefined ? undefined : new Date(expires).toISOString(),
    });
  }

  provider(provider: string, event: "started" | "ended" | "quarantined", reason?: string): void {
    this.#quietly({ kind: "provider", provider, event, module: this.#modules.get(provider), reason });
  }

  sample(): AuditSample {
    const { sinks } = this.#log;
    const lagBytes = Math.max(0, ...sinks.map(({ waiting }) => waiting));
    const { lag: lagLines, untrusted } = this.#log;
    return { lagLines, lagBytes, failures: this.#failures.count, untrusted };
  }

  rotate(): void {
    this.#log.rotate();
  }

  /** Ends the log, within 2 s. Where a sink hangs, that is told, and the process ends in spite of it. */
  async close(reason: string): Promise<void> {
    this.#quietly({ kind: "stop", reason });
    const late = await this.#log.close();
    if (late.length === 0) return;
    this.#logger.error({ sinks: late }, "a sink of the audit log did not end: its last lines may be missing");
    endAnyway(END_MS);
  }

  #hostCall({ call, verdict, why, target }: Decision) {
    const { provider, rpc, capability, operation, ordinal, request } = call;
    return {
      kind: "host_call",
      rpc,
      uid: this.#uids.getStore() || undefined,
      provider,
      module: this.#modules.get(provider),
      ordinal,
      capability,
      operation,
      target,
      decision: verdict,
      rule: why,
      request_bytes: request.length,
    } as const;
  }

  /** The key that it is about: of the key_id, or the active one, also where that failed. */
  #keyOf(rpc: RpcContext["rpc"], keyId: string | undefined): KeyConfig | undefined {
    if (keyId === undefined) return rpc === "Decrypt" ? undefined : this.#keyset?.active.key;
    try {
      return this.#keyset?.decryptWith(parseKeyId(keyId)).key;
    } catch {
      return undefined;
    }
  }

  /** What is told and nobody waits for: where it cannot be recorded, the next RPC says so. */
  #quietly(entry: Entry): void {
    try {
      this.#log.append(entry);
    } catch (error) {
      if (!(error instanceof KleidiError)) throw error;
    }
  }
}

function decisionOf(code: ErrorCode | undefined): "allowed" | "denied" | "refused" {
  if (code === "capability-denied") return "denied";
  return code !== undefined && REFUSED.has(code) ? "refused" : "allowed";
}

/** A disk that hangs must not make an RPC that is done look as if the provider were slow. */
function tooLate(): KleidiError {
  return new KleidiError("audit-failed", `Cannot audit: the record was not written within ${SETTLED_MS} ms`);
}
