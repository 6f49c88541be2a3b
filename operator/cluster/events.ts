/** Writes the events of the custom resources that `kubectl describe` shows. A failure to write an event is ignored. */
import type { Client } from "./client.ts";
import { API_VERSION, kindOf, type Plural, type Resource } from "./resources.ts";

export interface EventNote {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** Namespace of the events of cluster-scoped objects. */
const NAMESPACE = "default";
const MAX_NOTE = 1000;

/** @throws ApiError */
export async function writeEvent(
  client: Client,
  plural: Plural,
  { metadata }: Resource<unknown, unknown>,
  { type, reason, message }: EventNote,
  instance: string,
): Promise<void> {
  const now = new Date().toISOString();
  await client.json("POST", `/api/v1/namespaces/${NAMESPACE}/events`, {
    body: {
      apiVersion: "v1",
      kind: "Event",
      metadata: { generateName: `${metadata.name}.`, namespace: NAMESPACE },
      involvedObject: {
        apiVersion: API_VERSION,
        kind: kindOf(plural),
        name: metadata.name,
        uid: metadata.uid,
      },
      type,
      reason,
      message: message.slice(0, MAX_NOTE),
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
      reportingComponent: "kleidi-operator",
      reportingInstance: instance,
      source: { component: "kleidi-operator" },
    },
  });
}
