/** The forms of kleidi render: checks their options and renders them. */
import { ENCRYPTION_FILE, renderEncryptionConfig, STAGES, type Stage } from "../render/encryption-config.ts";
import { renderStaticPod } from "../render/static-pod.ts";
import { renderSystemd } from "../render/systemd.ts";
import { type RenderOptions, renderCommand } from "./render.ts";
import { readExisting } from "./render-existing.ts";
import { UsageError } from "./usage-error.ts";

export type PodCommandOptions = RenderOptions & { readonly image?: string };

export interface EncryptionFlags {
  readonly stage: string;
  readonly resource: readonly string[];
  readonly existing?: string;
}
export type EncryptionCommandOptions = RenderOptions & EncryptionFlags;

export function renderSystemdCommand(options: RenderOptions & { readonly program: string }): number {
  const { program } = options;
  if (!program.startsWith("/"))
    throw new UsageError(`Cannot use --program ${program}: expected an absolute path on the node`);
  return renderCommand(options, (input) => renderSystemd(input, { program }));
}

export function renderStaticPodCommand(options: PodCommandOptions): number {
  const image = imageOf(options);
  return renderCommand(options, (input) => renderStaticPod(input, { image }));
}

export function renderEncryptionCommand(options: EncryptionCommandOptions): number {
  const encryption = encryptionOf(options, options.out);
  return renderCommand(options, (input) =>
    renderEncryptionConfig(input, { ...encryption, file: ENCRYPTION_FILE }),
  );
}

/** The characters of a reference (distribution/reference), not its grammar: the runtime checks that. */
const IMAGE = /^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}$/;

export function imageOf({ image = "" }: { readonly image?: string }): string {
  if (IMAGE.test(image)) return image;
  if (image === "")
    throw new UsageError("Cannot render a pod: give --image, the reference of kleidi's image");
  throw new UsageError(
    `Cannot use --image ${image}: expected a reference such as registry.example/kleidi:0.1.0`,
  );
}

/** Names as the API server's EncryptionConfiguration has them: secrets, widgets.example.com, *.apps, *. and *.*. */
const RESOURCE = /^(?:\*\.(?:\*|[a-z0-9.-]*)|[a-z][a-z0-9-]*(?:\.[a-z0-9.-]+)?)$/;

export function encryptionOf(
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
