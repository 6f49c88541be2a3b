/** Makes a CustomResourceDefinition from a zod schema: structural, with defaults, CEL rules and the columns of `kubectl get`. */
import * as z from "zod";
import { encryptionPolicy } from "./encryption-policy.ts";
import { keyRotation } from "./key-rotation.ts";
import { kleidiNode } from "./kleidi-node.ts";

interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "date";
  readonly jsonPath: string;
  readonly description: string;
  /** 1: shown with -o wide only. */
  readonly priority?: number;
}

interface Definition {
  readonly kind: string;
  readonly plural: string;
  readonly shortName: string;
  readonly summary: string;
  readonly schema: z.ZodType;
  readonly columns: readonly Column[];
}

const condition = (type: string) => `.status.conditions[?(@.type=="${type}")].status`;
const AGE: Column = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
  description: "The age of the object.",
};

const DEFINITIONS: readonly Definition[] = [
  {
    kind: "KleidiNode",
    plural: "kleidinodes",
    shortName: "kn",
    summary: "The report of one control-plane node, written by its agent.",
    schema: kleidiNode,
    columns: [
      { name: "Ready", type: "string", jsonPath: condition("Ready"), description: "kleidi can encrypt." },
      { name: "Active", type: "string", jsonPath: ".status.activeKey", description: "The active key." },
      {
        name: "Wall",
        type: "string",
        jsonPath: ".status.host.wall",
        description: "The wall around providers' processes.",
      },
      { name: "Version", type: "string", jsonPath: ".status.host.version", description: "kleidi's version." },
      { name: "Reported", type: "date", jsonPath: ".status.observedAt", description: "The last report." },
      {
        name: "Key-ID-Hash",
        type: "string",
        jsonPath: ".status.active.hash",
        description: "The active key_id.",
        priority: 1,
      },
      AGE,
    ],
  },
  {
    kind: "EncryptionPolicy",
    plural: "encryptionpolicies",
    shortName: "kep",
    summary:
      "The encryption of the cluster: its resources, its control-plane nodes, and the limits of a rotation.",
    schema: encryptionPolicy,
    columns: [
      {
        name: "Nodes",
        type: "integer",
        jsonPath: ".spec.minimumNodes",
        description: "Nodes that must report.",
      },
      {
        name: "Reporting",
        type: "integer",
        jsonPath: ".status.reporting",
        description: "Nodes that report.",
      },
      {
        name: "In-Sync",
        type: "string",
        jsonPath: condition("InSync"),
        description: "True if all nodes have the same configuration.",
      },
      {
        name: "Migration",
        type: "string",
        jsonPath: ".spec.migration.by",
        description: "The program that rewrites objects.",
      },
      AGE,
    ],
  },
  {
    kind: "KeyRotation",
    plural: "keyrotations",
    shortName: "kr",
    summary: "A rotation from one key_id to another one. It never removes a key.",
    schema: keyRotation,
    columns: [
      { name: "Phase", type: "string", jsonPath: ".status.phase", description: "The phase." },
      {
        name: "Nodes",
        type: "string",
        jsonPath: ".status.nodes",
        description: "Nodes that finished this phase, of all nodes.",
      },
      { name: "Objects", type: "string", jsonPath: ".status.progress", description: "Objects rewritten." },
      {
        name: "Message",
        type: "string",
        jsonPath: ".status.message",
        description: "The reason for the phase.",
      },
      AGE,
    ],
  },
];

export const GROUP = "kleidi.dev";
export const VERSION = "v1alpha1";

/** @returns file name → the CustomResourceDefinition */
export function definitions(): Record<string, object> {
  return Object.fromEntries(DEFINITIONS.map((each) => [`${each.plural}.yaml`, crd(each)]));
}

function crd({ kind, plural, shortName, summary, schema, columns }: Definition): object {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${GROUP}`, labels: { "app.kubernetes.io/part-of": "kleidi" } },
    spec: {
      group: GROUP,
      scope: "Cluster",
      names: {
        kind,
        plural,
        singular: kind.toLowerCase(),
        listKind: `${kind}List`,
        shortNames: [shortName],
        categories: ["kleidi"],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: columns,
          schema: { openAPIV3Schema: { description: summary, ...openApi(schema) } },
        },
      ],
    },
  };
}

/** The API server's structural schemas support neither `$schema` nor `additionalProperties: false`: it prunes unknown fields. */
function openApi(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io: "input",
    override: ({ jsonSchema }) => {
      delete jsonSchema.additionalProperties;
      // The API server applies the default of an object before the defaults of its fields.
      if (jsonSchema.anyOf !== undefined) delete jsonSchema.anyOf;
    },
  });
  return rest;
}
