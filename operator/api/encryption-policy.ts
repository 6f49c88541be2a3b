/** EncryptionPolicy: the single policy of a cluster. It has the encrypted resources, the number of nodes, and the limits of a rotation. */
import * as z from "zod";
import { WAITS_MS } from "../../host/rotation/waits.ts";
import { conditions, count, ruled, text } from "./fields.ts";

const resource = z
  .string()
  .regex(/^[a-z][a-z0-9]*(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/)
  .max(253);

const resources = ruled(z.array(resource).min(1).max(64).meta({ "x-kubernetes-list-type": "set" }), {
  rule: "oldSelf.all(each, each in self)",
  message:
    "a resource cannot be removed: its objects would no longer be rewritten and would be lost with the old key; delete the policy and create another one",
}).describe(
  "The resources that the EncryptionConfiguration encrypts with kleidi, each as in that file: secrets, or widgets.example.com. No wildcards.",
);

const migration = z
  .object({
    by: z
      .enum(["Nobody", "Operator", "StorageVersionMigration"])
      .default("Nobody")
      .describe(
        "The program that rewrites the objects. Operator needs the service account of the migration; StorageVersionMigration needs an API server that serves that API.",
      ),
    workers: z.int().min(1).max(8).default(4).describe("Objects that are rewritten at the same time."),
    pageSize: z.int().min(10).max(500).default(250).describe("Objects of one page of a list."),
  })
  .prefault({});

const waits = ruled(
  z
    .object({
      pollSeconds: z
        .int()
        .min(0)
        .max(3600)
        .default(WAITS_MS.poll / 1000)
        .describe("The interval at which the API server calls Status."),
      expirySeconds: z
        .int()
        .min(0)
        .max(3600)
        .default(WAITS_MS.expiry / 1000)
        .describe("How long the API server continues to write with a key after the last successful Status."),
      marginSeconds: z
        .int()
        .min(0)
        .max(86400)
        .default(WAITS_MS.margin / 1000)
        .describe("A safety margin that is added to the wait."),
      shorterThanAPIServer: z
        .boolean()
        .default(false)
        .describe(
          "Accepts waits below the constants of the API server. For tests only: a real cluster can lose data.",
        ),
    })
    // The default lists every field, because the API server checks it against the rule before it applies the defaults of the fields.
    .default({
      pollSeconds: WAITS_MS.poll / 1000,
      expirySeconds: WAITS_MS.expiry / 1000,
      marginSeconds: WAITS_MS.margin / 1000,
      shorterThanAPIServer: false,
    }),
  {
    rule: "self.shorterThanAPIServer || (self.pollSeconds >= 60 && self.expirySeconds >= 180)",
    message:
      "pollSeconds below 60 or expirySeconds below 180 is less than the time an API server takes to change its key: objects written meanwhile would be lost with the old key",
  },
);

export const encryptionPolicySpec = z.object({
  resources,
  minimumNodes: z
    .int()
    .min(1)
    .max(64)
    .describe("The number of control-plane nodes. A rotation waits until so many report."),
  migration: migration.describe("How objects are rewritten."),
  waits: waits.describe("How long a rotation waits after the last node's promotion."),
});

const difference = z.object({
  of: z
    .enum(["EncryptionConfiguration", "Configuration", "Module", "Wall"])
    .describe("The setting that differs."),
  node: text(253).describe("The node."),
  value: text(253).describe("The value on this node."),
});

export const encryptionPolicyStatus = z.object({
  observedGeneration: count().optional().describe("The generation of the spec that this status describes."),
  nodes: count().optional().describe("Nodes that have a KleidiNode."),
  reporting: count().optional().describe("Nodes whose report is recent."),
  drift: z
    .array(difference)
    .max(256)
    .meta({ "x-kubernetes-list-type": "atomic" })
    .optional()
    .describe("The differences between nodes, one entry for each node."),
  conditions: conditions().optional(),
});

export const encryptionPolicy = ruled(
  z.object({ spec: encryptionPolicySpec, status: encryptionPolicyStatus.optional() }),
  { rule: "self.metadata.name == 'cluster'", message: "a cluster has one EncryptionPolicy; name it cluster" },
);

export type EncryptionPolicySpec = z.infer<typeof encryptionPolicySpec>;
export type EncryptionPolicyStatus = z.infer<typeof encryptionPolicyStatus>;
export type Difference = z.infer<typeof difference>;
