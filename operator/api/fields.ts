/** Building blocks of the custom resources: fields and rules as zod schemas, from which crd.ts makes OpenAPI. */
import * as z from "zod";

/** A CEL rule that the API server evaluates at each write. The user of a refused write sees only the message. */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
}

/** Attaches rules to a schema. crd.ts writes them as `x-kubernetes-validations`. */
export function ruled<T extends z.ZodType>(schema: T, ...rules: readonly CelRule[]): T {
  return schema.meta({ ...schema.meta(), "x-kubernetes-validations": rules });
}

/** A list of objects that server-side apply merges by these fields, so that each item has one owner. */
export function listBy<T extends z.ZodType>(item: T, max: number, ...keys: readonly string[]) {
  return z.array(item).max(max).meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys });
}

/** A hash of a key_id, a file or a module, in the format of the API server's metrics. */
export const hash = () => z.string().regex(/^sha256:[0-9a-f]{64}$/);

/** A time in RFC 3339. */
export const time = () => z.string().meta({ format: "date-time" });

/** Text of at most `max` characters. */
export const text = (max = 1024) => z.string().max(max);

export const count = () => z.int().min(0).meta({ format: "int64" });

/** A condition of the Kubernetes API conventions (metav1.Condition). */
export const condition = z.object({
  type: z.string().max(64).describe("The name of the condition."),
  status: z.enum(["True", "False", "Unknown"]).describe("True, False or Unknown."),
  observedGeneration: count().optional().describe("The generation of the spec that this status describes."),
  lastTransitionTime: time().describe("When the status of the condition last changed."),
  reason: z.string().max(64).describe("The reason in one word."),
  message: text(2048).describe("The reason in a sentence. It names the node, verb or object."),
});
export type Condition = z.infer<typeof condition>;

export const conditions = () => listBy(condition, 16, "type").describe("The findings, by condition.");
