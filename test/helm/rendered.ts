/** The objects of the chart, as Helm renders them without a cluster. */
import { parseAllDocuments } from "yaml";
import { CHART, type Helm } from "./helm.ts";

// The chart's objects are of many kinds, and each test looks at other fields.
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Rendered = any;

/** The least that the chart needs. */
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
