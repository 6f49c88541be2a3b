/** KeyRotation: the change from one key_id to another. Its spec never changes; each reconcile derives its phase again. */
import * as z from "zod";
import { STEPS } from "../../host/rotation/decision.ts";
import { conditions, count, hash, listBy, ruled, text, time } from "./fields.ts";

export const PHASES = [...STEPS, "Blocked"] as const;

export const keyRotationSpec = ruled(
  z.object({
    from: hash().describe("The hash of the key_id that is replaced."),
    to: hash().describe("The hash of the key_id that replaces it."),
  }),
  { rule: "self.from != self.to", message: "from and to are the same key_id: nothing would be rotated" },
  {
    rule: "self == oldSelf",
    message:
      "spec is immutable: delete this KeyRotation and create another one; a KeyRotation never removes a key",
  },
);

const refusal = z.object({
  object: text(600).describe("Resource, namespace and name."),
  code: z.int().describe("The HTTP status of the answer; 0 without an answer."),
  message: text(512).describe("The message of the API server, cut."),
});

const pass = z.object({
  startedAt: time().describe("When the first page was requested."),
  endedAt: time().optional().describe("When the last object was written."),
  objects: count().describe("Objects that were sent."),
  changed: count().describe("Objects that the API server rewrote; the others were current."),
  conflicts: count().describe("Objects that other clients changed or deleted meanwhile."),
  refused: count().describe("Objects that the API server refused to rewrite."),
  refusals: z
    .array(refusal)
    .max(20)
    .meta({ "x-kubernetes-list-type": "atomic" })
    .optional()
    .describe("The first refusals."),
});

const resourceProgress = z.object({
  resource: text(253).describe("The resource, as in the policy."),
  rewrite: pass.optional().describe("The pass that rewrites each object."),
  proof: pass.optional().describe("The second pass, which must find no object left to rewrite."),
});

const counters = z.object({
  node: text(253).describe("The node."),
  startedAt: time().describe("The start of the API server; its counters start at 0 then."),
  reads: count().describe("Objects read under `from`."),
  writes: count().describe("Objects written under `from`."),
});

const migration = z.object({
  resources: listBy(resourceProgress, 64, "resource").describe("The progress, by resource."),
  baseline: listBy(counters, 64, "node").optional().describe("The counters of `from` before the proof."),
  settledAt: time().optional().describe("When the wait ended. A proof that began earlier does not count."),
  provedAt: time().optional().describe("When no object was left under `from`."),
  retryAt: time().optional().describe("When a failed pass is tried again."),
});

export const keyRotationStatus = z.object({
  observedGeneration: count().optional().describe("The generation of the spec that this status describes."),
  phase: z.enum(PHASES).optional().describe("Derived from the reports of the nodes; for display only."),
  message: text(2048).optional().describe("The reason for the phase, in a sentence."),
  commands: z
    .array(text(1024))
    .max(64)
    .meta({ "x-kubernetes-list-type": "atomic" })
    .optional()
    .describe("The commands to run next."),
  nodes: text(32).optional().describe("Nodes that finished this phase, of all nodes."),
  progress: text(64).optional().describe("Objects rewritten and refused so far."),
  waitUntil: time().optional().describe("The end of the wait."),
  migration: migration.optional().describe("The outcome of the passes over the objects."),
  completedAt: time()
    .optional()
    .describe("When no node held `from` any more. The rotation is finished then, for good."),
  conditions: conditions().optional(),
});

export const keyRotation = z.object({ spec: keyRotationSpec, status: keyRotationStatus.optional() });

export type Phase = (typeof PHASES)[number];
export type KeyRotationSpec = z.infer<typeof keyRotationSpec>;
export type KeyRotationStatus = z.infer<typeof keyRotationStatus>;
export type Migration = z.infer<typeof migration>;
export type Pass = z.infer<typeof pass>;
export type Refusal = z.infer<typeof refusal>;
export type ResourceProgress = z.infer<typeof resourceProgress>;
export type Counters = z.infer<typeof counters>;
