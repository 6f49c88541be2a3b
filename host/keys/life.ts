/**
 * The decisions in the life of a key on this node, pure: the reasons against a change, and the times from which it is allowed. The state
 * machine of the operator (host/rotation) judges the running host; this adds the history.
 */
import { decide } from "../rotation/decide.ts";
import type { Decision } from "../rotation/decision.ts";
import type { HeldKey, ObservedNode } from "../rotation/observed.ts";
import { waitAfterPromotion } from "../rotation/waits.ts";
import { type KeyPast, mayHaveBeenActive, type Past } from "./past.ts";

/** The host that runs with the configuration; undefined: none answers. */
export interface RunningHost {
  readonly keys: readonly HeldKey[];
  /** When it began to serve with its configuration, at the latest. Absent: unknown. */
  readonly configuredAt?: number | undefined;
}

export interface Situation {
  /** The name of this node. */
  readonly node: string;
  readonly now: number;
  readonly past: Past;
  readonly host: RunningHost | undefined;
  /** The reason why there is no running host, the end of a sentence. */
  readonly silence?: string | undefined;
  /** The time in which a host takes a key: probes times interval, in milliseconds. */
  readonly lagMs: number;
}

/** A reason against a change; with a time, it ends by itself. */
export interface Objection {
  readonly message: string;
  readonly until?: number;
}

/** @returns when a staged key may become active, by the history alone; undefined if it was never staged */
export function promotableAt({ past, lagMs }: Situation, name: string): number | undefined {
  const stagedAt = past.keys.get(name)?.stagedAt;
  if (stagedAt === undefined) return undefined;
  const settled = past.promotedAt === undefined ? 0 : settledAt(past, lagMs, past.promotedAt);
  return Math.max(stagedAt + lagMs, settled);
}

/** The first promotion of this history has no earlier one to wait for. */
function settledAt(past: Past, lagMs: number, promotedAt: number): number {
  const hasFormer = [...past.keys.values()].some(({ activeUntil }) => activeUntil !== undefined);
  return hasFormer ? promotedAt + waitAfterPromotion(lagMs) : 0;
}

/** @returns every reason against making a key active */
export function objectionsToPromote(situation: Situation, from: string, name: string): Objection[] {
  const { past, now } = situation;
  const key = past.keys.get(name);
  const at = promotableAt(situation, name);
  return [
    ...(mayHaveBeenActive(past, name) ? [{ message: formerly(name, key) }] : []),
    ...(at !== undefined && now < at ? [tooEarly(situation, name, at)] : []),
    ...hostObjections(situation, from, name, ["Promoting"]),
  ];
}

function formerly(name: string, key: KeyPast | undefined): string {
  if (key?.activeFrom === undefined)
    return `key "${name}" was in the configuration before the history began, so it may have been active: a key_id that returns makes old objects look current`;
  const until = key.activeUntil === undefined ? "" : ` until ${iso(key.activeUntil)}`;
  return `key "${name}" was active${until}, and a key_id never becomes active again: old objects would look current; rotate to a new key`;
}

function tooEarly({ past, lagMs }: Situation, name: string, at: number): Objection {
  const stagedAt = past.keys.get(name)?.stagedAt ?? 0;
  const message =
    at === stagedAt + lagMs
      ? `key "${name}" was staged at ${iso(stagedAt)}, and a host needs ${seconds(lagMs)} to take it`
      : `the promotion at ${iso(past.promotedAt ?? 0)} is not settled: an API server may still write with the key before it`;
  return { message: `${message}; wait until ${iso(at)}`, until: at };
}

/**
 * @param mayBeNeeded false for a key that was never active
 * @returns every reason against removing a key, except that objects may need it
 */
export function objectionsToRetire(
  situation: Situation,
  active: string,
  name: string,
  mayBeNeeded = needsProof(situation.past, name),
): Objection[] {
  if (!mayBeNeeded) return [];
  const since = inForceSince(situation, active);
  const { reason, waitUntil } = judged(situation, name, active, since) ?? {};
  // The step after the wait: the proof that the caller brings takes the place of the migration.
  if (reason === "MigrationOff") return [];
  if (waitUntil === undefined) return hostObjections(situation, name, active, []);
  const message = `the running host was first seen to encrypt with "${active}" at ${iso(since)}, and until ${iso(waitUntil)} an API server may still write with "${name}"`;
  return [{ message, until: waitUntil }];
}

/** True if objects may be encrypted with a key, so that its retirement needs a proof. */
export function needsProof(past: Past, name: string): boolean {
  return !past.keys.has(name) || mayHaveBeenActive(past, name);
}

/**
 * Since when the running host encrypts with the active key, at the latest: the time at which it was first seen; its start or its reload
 * after the promotion; or now.
 */
export function inForceSince({ past, host, now }: Situation, active: string): number {
  const { servedAt, activeFrom } = past.keys.get(active) ?? {};
  if (servedAt !== undefined) return servedAt;
  const promotedAt = past.promotedAt ?? activeFrom ?? now;
  const { configuredAt = 0 } = host ?? {};
  return configuredAt > promotedAt ? configuredAt : now;
}

function hostObjections(
  situation: Situation,
  from: string,
  to: string,
  allowed: readonly string[],
): Objection[] {
  const decided = judged(situation, from, to, situation.now);
  if (decided === undefined)
    return [{ message: `the running host cannot be asked: ${situation.silence ?? "no host answers"}` }];
  if (!decided.blocked && allowed.includes(decided.step)) return [];
  return [{ message: `the running host is not ready for it: ${decided.message}` }];
}

/** Asks the operator's state machine about this node alone. */
function judged(
  { node, host, now, lagMs }: Situation,
  from: string,
  to: string,
  since: number,
): Decision | undefined {
  if (host === undefined) return undefined;
  const active = host.keys.find(({ use }) => use === "active")?.hashes[0];
  return decide({
    now,
    rotation: { name: `${from} to ${to}`, from: hashOf(host, from), to: hashOf(host, to) },
    policy: {
      resources: ["secrets"],
      minimumNodes: 1,
      migrationBy: "Nobody",
      waitMs: waitAfterPromotion(lagMs),
    },
    nodes: [
      {
        name: node,
        observedAt: now,
        intervalMs: lagMs,
        reachable: true,
        keys: host.keys,
        active: active === undefined ? undefined : { hash: active, since },
        apiServer: apiServerAt(host, to, now),
      },
    ],
    migration: { resources: [] },
  });
}

/** The API servers are not asked here: their switch is part of the wait. */
function apiServerAt(host: RunningHost, to: string, now: number): ObservedNode["apiServer"] {
  return { startedAt: 0, keys: [{ hash: hashOf(host, to), polledAt: now, reads: 0, writes: 0 }] };
}

/** The hash of a key's current key_id; a text that no key has if the host does not know it. */
export function hashOf({ keys }: RunningHost, name: string): string {
  return keys.find((key: HeldKey) => key.name === name)?.hashes[0] ?? `unknown ${name}`;
}

export function iso(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, "Z");
}

export function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`;
}
