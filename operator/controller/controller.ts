/**
 * One reconcile of the cluster: observe, decide, act, report. The only state kept between two reconciles is a running pass; a replica that
 * takes over derives the rest.
 */

import { ApiError } from "../../host/migration/api.ts";
import { decide } from "../../host/rotation/decide.ts";
import { type Decision, phaseOf } from "../../host/rotation/decision.ts";
import { countersOf } from "../../host/rotation/migrate.ts";
import type { Observation } from "../../host/rotation/observed.ts";
import type { Client } from "../cluster/client.ts";
import { type EventNote, writeEvent } from "../cluster/events.ts";
import {
  applyStatus,
  conditionsSince,
  type EncryptionPolicy,
  type KeyRotation,
  type KleidiNode,
  list,
  rfc3339,
} from "../cluster/resources.ts";
import type { MigrationAccess } from "../migration/access.ts";
import type { PassRunner } from "../migration/runner.ts";
import { policyStatus } from "./drift.ts";
import { apiCounters, isFinished, observe, type Seen } from "./observe.ts";
import { statusOf, withPass } from "./status.ts";

const MANAGER = "kleidi-operator";
/** Faults of the proof after which the migration is retried later. */
const RETRIED = ["OldKeyUsed", "StillStale"];
/** The most steps of one rotation in one reconcile. */
const MAX_STEPS = 16;

export interface ControllerOptions {
  readonly client: Client;
  readonly access: MigrationAccess;
  readonly passes: PassRunner;
  readonly retryMs: number;
  readonly identity: string;
  /** Called with each rotation's phase, for the metrics. */
  readonly onPhase?: (rotation: string, phase: string) => void;
  readonly onSeen?: (seen: Seen) => void;
  readonly log: (message: string, fields: Record<string, unknown>) => void;
}

export class Controller {
  readonly #options: ControllerOptions;

  constructor(options: ControllerOptions) {
    this.#options = options;
  }

  /** @returns true if a rotation is not finished, so that the next reconcile should be soon. @throws ApiError */
  async look(): Promise<boolean> {
    const { client, onSeen } = this.#options;
    const [nodes, policies, rotations] = await Promise.all([
      list<KleidiNode>(client, "kleidinodes"),
      list<EncryptionPolicy>(client, "encryptionpolicies"),
      list<KeyRotation>(client, "keyrotations"),
    ]);
    const seen: Seen = { nodes, policy: policies[0], rotations };
    onSeen?.(seen);
    if (seen.policy !== undefined) await this.#reportPolicy(seen.policy, nodes);
    // Stop the pass of a deleted KeyRotation.
    if (this.#owner !== undefined && !rotations.some(({ metadata }) => metadata.uid === this.#owner))
      this.#stop();
    for (const rotation of rotations) await this.#advance(seen, rotation);
    return rotations.some((rotation) => !isFinished(rotation));
  }

  async #advance(seen: Seen, rotation: KeyRotation): Promise<void> {
    if (rotation.status?.completedAt !== undefined)
      return this.#options.onPhase?.(rotation.metadata.name, "Done");
    let now = rotation;
    let missing: string[] | undefined;
    for (let step = 0; ; step++) {
      if (missing === undefined) missing = await this.#missing(seen, now);
      const observation = observe(seen, now, missing ?? [], Date.now());
      const decided = decide(observation);
      const next = step < MAX_STEPS ? this.#act(now, observation, decided, seen) : undefined;
      if (next === undefined) return await this.#report(rotation, now, observation, decided);
      now = { ...now, status: next };
    }
  }

  /** @returns the status after the action; undefined if the action must wait for the next reconcile */
  #act(
    { metadata, status }: KeyRotation,
    seen: Observation,
    decided: Decision,
    { policy }: Seen,
  ): KeyRotation["status"] {
    const { passes, retryMs } = this.#options;
    const { action, reason } = decided;
    const at = rfc3339(seen.now);
    const migration = status?.migration ?? { resources: [] };
    const mine = action.do === "pass";
    if (!mine && this.#owner === metadata.uid) this.#stop();
    switch (action.do) {
      case "nothing":
        if (!RETRIED.includes(reason) || migration.retryAt !== undefined) return undefined;
        return { ...status, migration: { ...migration, retryAt: rfc3339(seen.now + retryMs) } };
      case "restart": {
        const { migration: _, ...rest } = status ?? {};
        return rest;
      }
      case "baseline":
        return { ...status, migration: { ...migration, baseline: apiCounters(countersOf(seen)) } };
      case "proved":
        return { ...status, migration: { ...migration, provedAt: at } };
      case "complete":
        return status?.completedAt === undefined ? { ...status, completedAt: at } : undefined;
      case "pass": {
        if (policy === undefined) return undefined;
        const { kind, resource } = action;
        this.#owner = metadata.uid;
        const pass = passes.take({
          rotation: metadata.name,
          kind,
          resource,
          migration: policy.spec.migration,
        });
        const before = migration.resources.find((each) => each.resource === resource)?.[kind];
        if (
          pass.endedAt === undefined &&
          before?.objects === pass.objects &&
          before.startedAt === pass.startedAt
        )
          return undefined;
        return withPass(status, { resource, kind, pass, retryAt: seen.now + retryMs });
      }
    }
  }

  /** The uid of the rotation whose pass is running. */
  #owner: string | undefined;

  #stop(): void {
    this.#options.passes.stop();
    this.#owner = undefined;
  }

  /** Checks the rights only if a pass is due. */
  async #missing(seen: Seen, rotation: KeyRotation): Promise<string[] | undefined> {
    const { action } = decide(observe(seen, rotation, [], Date.now()));
    if (action.do !== "pass" || seen.policy === undefined) return undefined;
    const { migration, resources } = seen.policy.spec;
    if (migration.by === "Nobody") return [];
    return await this.#options.access.missing(migration.by, resources);
  }

  async #report(before: KeyRotation, now: KeyRotation, seen: Observation, decided: Decision): Promise<void> {
    const { client, log, identity, onPhase } = this.#options;
    const status = statusOf(now, seen, decided);
    const { name } = before.metadata;
    onPhase?.(name, phaseOf(decided));
    if (!isSame(before.status, status)) await applyStatus(client, "keyrotations", name, status, MANAGER);
    // The caller chooses the time of the next reconcile by it.
    Object.assign(before, { status });
    const reason = before.status?.conditions?.find(({ type }) => type === "Blocked")?.reason;
    if (this.#told.get(name) === `${status.phase} ${reason}`) return;
    this.#told.set(name, `${status.phase} ${reason}`);
    log(decided.message, { rotation: name, phase: status.phase, reason: decided.reason });
    const note: EventNote = {
      type: decided.blocked ? "Warning" : "Normal",
      reason: decided.reason,
      message: decided.message,
    };
    await this.#tell(before, note, identity);
  }

  /** Phase and reason of the last event of each rotation. */
  readonly #told = new Map<string, string>();

  async #tell(rotation: KeyRotation, note: EventNote, identity: string): Promise<void> {
    const { client, log } = this.#options;
    try {
      await writeEvent(client, "keyrotations", rotation, note, identity);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      log(error.message, { rotation: rotation.metadata.name });
    }
  }

  async #reportPolicy(
    { metadata, spec, status: before }: EncryptionPolicy,
    nodes: readonly KleidiNode[],
  ): Promise<void> {
    const { generation } = metadata;
    const { status, drafts } = policyStatus(nodes, spec.minimumNodes, Date.now());
    const conditions = conditionsSince(drafts, before?.conditions, generation, Date.now());
    const after = {
      ...status,
      ...(generation !== undefined && { observedGeneration: generation }),
      conditions,
    };
    if (!isSame(before, after))
      await applyStatus(this.#options.client, "encryptionpolicies", metadata.name, after, MANAGER);
  }
}

/** Compares two values as JSON, ignoring the order of keys. */
function isSame(one: unknown, other: unknown): boolean {
  return canonical(one) === canonical(other);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "";
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${entries
    .map(([key, each]) => `${key}:${canonical(each)}`)
    .sort()
    .join()}}`;
}
