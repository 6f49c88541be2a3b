/** Renders the objects of the chart with Helm, without a cluster. */
import { parseAllDocuments } from "yaml";
import { CHART, type Helm } from "./helm.ts";

// The chart has objects of many kinds, and each test reads different fields.
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Rendered = any;

/** The required values of the chart. */
export const IMAGE = { repository: "registry.example/kleidi-operator", tag: "0.1.0" };
export const NAMESPACE = "another-namespace";

/** @param values in addition to an image */
export function rendered(helm: Helm, values: object = {}, namespace = NAMESPACE): Rendered[] {
  const args = ["template", "kleidi", CHART, "--namespace", namespace];
  const text = helm.run([...args, "--values", helm.values({ image: IMAGE, ...values })]);
  return parseAllDocuments(text)
    .map((document) => document.toJSON())
    .filter((each) => each !== null);
}

export function find(objects: readonly Rendered[], kind: string, name: string): Rendered {
  return objects.find((each) => each.kind === kind && each.metadata.name === name);
}
