/** Renders the form in which a node of a distribution runs kleidí. */

import { refuseIf } from "./refusal.ts";
import type { Rendered, RenderInput } from "./rendered.ts";
import { renderSidecar } from "./sidecar.ts";
import { type PodOptions, renderStaticPod } from "./static-pod.ts";
import { renderSystemd, type SystemdOptions } from "./systemd.ts";

export const FORMS = ["systemd", "static-pod", "sidecar"] as const;
export type Form = (typeof FORMS)[number];

export type NodeForm =
  | ({ readonly form: "systemd" } & SystemdOptions)
  | ({ readonly form: "static-pod" | "sidecar" } & PodOptions);

/** The paths and the limits of a distribution. */
export interface Distribution {
  /** The name in the message of a refusal. */
  readonly name: string;
  readonly manifests?: string;
  readonly pull?: string;
  /** Form → the reason why this distribution does not support it. */
  readonly impossible?: Partial<Record<Form, string>>;
}

/**
 * @throws KleidiError render-refused
 */
export function renderForm(
  input: RenderInput,
  node: NodeForm,
  { name, impossible = {}, ...places }: Distribution,
): Rendered {
  const reason = impossible[node.form];
  refuseIf(`${name} with the form ${node.form}`, reason === undefined ? [] : [reason]);
  if (node.form === "systemd") return renderSystemd(input, node);
  return node.form === "static-pod"
    ? renderStaticPod(input, { ...node, ...places })
    : renderSidecar(input, node);
}
