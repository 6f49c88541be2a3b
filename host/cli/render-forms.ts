/** The forms of kleidi render: checks their options and renders them. */
import { ENCRYPTION_FILE, renderEncryptionConfig, STAGES, type Stage } from "../render/encryption-config.ts";
import { renderKubeadm } from "../render/kubeadm.ts";
import type { ModuleImages } from "../render/module-images.ts";
import { FORMS, type Form, type NodeForm } from "../render/node-form.ts";
import { renderK3s, renderRke2 } from "../render/rancher.ts";
import type { Rendered, RenderInput } from "../render/rendered.ts";
import { renderSidecar } from "../render/sidecar.ts";
import { renderStaticPod } from "../render/static-pod.ts";
import { renderSystemd } from "../render/systemd.ts";
import { renderTalos } from "../render/talos.ts";
import { type RenderOptions, renderCommand } from "./render.ts";
import { readExisting } from "./render-existing.ts";
import { UsageError } from "./usage-error.ts";

/** The images of a pod. */
export interface ImageFlags {
  readonly image?: string;
  /** PROVIDER=REFERENCE. Not on Talos. */
  readonly moduleImage?: readonly string[];
}
export type PodCommandOptions = RenderOptions & ImageFlags;

export interface EncryptionFlags {
  readonly stage: string;
  readonly resource: readonly string[];
  readonly existing?: string;
}
export type EncryptionCommandOptions = RenderOptions & EncryptionFlags;

export interface ProgramFlag {
  readonly program: string;
}
export type SystemdCommandOptions = RenderOptions & ProgramFlag & { readonly socketUnit?: boolean };
/** A distribution: the form of kleidí on its nodes, and the stage of its API servers. */
export type DistributionOptions = EncryptionCommandOptions &
  ProgramFlag &
  PodCommandOptions & { readonly form: string; readonly kubeletFirst?: boolean };

export function renderSystemdCommand(options: SystemdCommandOptions): number {
  const program = programOf(options);
  const { socketUnit = false } = options;
  return renderCommand(options, (input) => renderSystemd(input, { program, socketUnit }));
}

export function renderStaticPodCommand(options: PodCommandOptions): number {
  const images = imagesOf(options);
  return renderCommand(options, (input) => renderStaticPod(input, images));
}

export function renderEncryptionCommand(options: EncryptionCommandOptions): number {
  const encryption = encryptionOf(options, options.out);
  return renderCommand(options, (input) =>
    renderEncryptionConfig(input, { ...encryption, file: ENCRYPTION_FILE }),
  );
}

export function renderSidecarCommand(options: PodCommandOptions): number {
  const images = imagesOf(options);
  return renderCommand(options, (input) => renderSidecar(input, images));
}

const DISTRIBUTIONS = { kubeadm: renderKubeadm, k3s: renderK3s, rke2: renderRke2 };

export function renderDistributionCommand(
  name: keyof typeof DISTRIBUTIONS,
  options: DistributionOptions,
): number {
  const node = nodeFormOf(options);
  const encryption = encryptionOf(options, options.out);
  const { kubeletFirst = false } = options;
  const render = (input: RenderInput): Rendered =>
    DISTRIBUTIONS[name](input, node, encryption, { kubeletFirst });
  return renderCommand(options, render);
}

export function renderTalosCommand(options: EncryptionCommandOptions & PodCommandOptions): number {
  const image = imageOf(options);
  const encryption = encryptionOf(options, options.out);
  return renderCommand(options, (input) => renderTalos(input, { image, encryption }));
}

function nodeFormOf(options: DistributionOptions): NodeForm {
  const { form } = options;
  if (!isForm(form)) throw new UsageError(`Cannot use --form ${form}: expected one of ${FORMS.join(", ")}`);
  if (form === "systemd" && options.moduleImage?.length)
    throw new UsageError("Cannot use --module-image with --form systemd: a service reads files of the node");
  return form === "systemd" ? { form, program: programOf(options) } : { form, ...imagesOf(options) };
}

function isForm(text: string): text is Form {
  return (FORMS as readonly string[]).includes(text);
}

function programOf({ program }: ProgramFlag): string {
  if (program.startsWith("/")) return program;
  throw new UsageError(`Cannot use --program ${program}: expected an absolute path on the node`);
}

/** The characters of a reference (distribution/reference), not its grammar: the runtime checks that. */
const IMAGE = /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}$/;

function imagesOf({ moduleImage = [], ...options }: ImageFlags): {
  image: string;
  moduleImages: ModuleImages;
} {
  const pairs = moduleImage.map((text) => {
    const [, provider = "", image = ""] = /^([^=]+)=(.*)$/.exec(text) ?? [];
    if (provider !== "" && IMAGE.test(image)) return [provider, image] as const;
    throw new UsageError(
      `Cannot use --module-image ${text}: expected PROVIDER=REFERENCE, such as local=registry.example/kleidi-provider-local:0.1.0`,
    );
  });
  const images = new Map(pairs);
  if (images.size < pairs.length) throw new UsageError("Cannot use --module-image twice for one provider");
  return { image: imageOf(options), moduleImages: images };
}

function imageOf({ image = "" }: { readonly image?: string }): string {
  if (IMAGE.test(image)) return image;
  if (image === "")
    throw new UsageError("Cannot render a pod: give --image, the reference of kleidi's image");
  throw new UsageError(
    `Cannot use --image ${image}: expected a reference such as registry.example/kleidi:0.1.0`,
  );
}

/** Names as the API server's EncryptionConfiguration has them: secrets, widgets.example.com, *.apps, *. and *.*. */
const RESOURCE = /^(?:\*\.(?:\*|[a-z0-9.-]*)|[a-z][a-z0-9-]*(?:\.[a-z0-9.-]+)?)$/;

function encryptionOf(
  { stage, resource, existing }: EncryptionFlags,
  out: string | undefined,
): Omit<Parameters<typeof renderEncryptionConfig>[1], "file"> {
  if (!isStage(stage))
    throw new UsageError(`Cannot use --stage ${stage}: expected one of ${Object.keys(STAGES).join(", ")}`);
  const wrong = resource.find((name, index) => !RESOURCE.test(name) || resource.indexOf(name) !== index);
  if (wrong !== undefined)
    throw new UsageError(
      `Cannot use --resource ${wrong}: expected each name once, such as secrets or widgets.example.com`,
    );
  const resources = resource.length === 0 ? ["secrets"] : resource;
  if (existing === undefined) return { stage, resources };
  if (resource.length > 0)
    throw new UsageError("Cannot use --resource with --existing: the existing file has the resources");
  if (out === undefined)
    throw new UsageError("Cannot print a file that may hold keys: give --out, the folder to write it to");
  return { stage, resources, existing: readExisting(existing) };
}

function isStage(text: string): text is Stage {
  return Object.hasOwn(STAGES, text);
}
