/** kleidi render: prints or writes the files of a form of deployment. */
import { createHash } from "node:crypto";
import { CAPABILITIES } from "../capabilities/registry.ts";
import { readConfig } from "../config/load.ts";
import { parseConfig } from "../config/parse.ts";
import { escapeProse } from "../lib/text.ts";
import { footprintOf } from "../render/footprint.ts";
import type { Rendered, RenderedFile, RenderInput } from "../render/rendered.ts";
import { grantsOf } from "../runtime/grants.ts";
import { EXIT, print } from "./output.ts";
import { writeTree } from "./render-files.ts";
import { UsageError } from "./usage-error.ts";

/** The options that every form has. */
export interface RenderOptions {
  readonly config: string;
  /** The path of the configuration on the node. */
  readonly nodeConfig: string;
  readonly out?: string;
  readonly json: boolean;
}

/**
 * Prints the files, or writes them under a folder; commands and notes go to stderr, as they are not part of a file.
 * @param render makes the files of one form
 * @throws UsageError, an option cannot be used; KleidiError, the configuration cannot be used or the form cannot run it
 */
export function renderCommand(
  { config, nodeConfig, out, json }: RenderOptions,
  render: (input: RenderInput) => Rendered,
): number {
  if (!nodeConfig.startsWith("/"))
    throw new UsageError(`Cannot use --node-config ${nodeConfig}: expected an absolute path on the node`);
  const rendered = render(inputOf(config, nodeConfig));
  if (out !== undefined) writeTree(out, rendered.files);
  if (json) print(JSON.stringify({ ok: true, ...rendered, files: rendered.files.map(shown) }, null, 2));
  else printText(rendered, out);
  return EXIT.SUCCESS;
}

/**
 * Parses the file twice: faults name the file that was given, paths in it are those on the node.
 * @param nodeConfig the absolute path of the file on the node
 * @throws ConfigError
 */
export function inputOf(file: string, nodeConfig: string): RenderInput {
  const text = readConfig(file);
  parseConfig(text, file);
  const config = parseConfig(text, nodeConfig);
  const used = CAPABILITIES.flatMap((each) => each.footprint?.(grantsOf(config, each)) ?? []);
  const digest = createHash("sha256").update(text).digest("hex");
  return { config, text, digest, footprint: footprintOf(config, used) };
}

function printText({ files, commands, notes }: Rendered, out: string | undefined): void {
  const headers = files.map((file) => `# ${file.path} (${modeOf(file)} ${file.owner})`);
  if (out === undefined)
    print(
      files
        .map(({ text }, index) => `${headers[index]}\n${text}`)
        .join("\n")
        .trimEnd(),
    );
  const lines = [
    ...(out === undefined ? [] : headers.map((header) => header.replace(/^# /, "wrote "))),
    ...commands.map((command) => `run   ${command}`),
    ...notes.map((note) => `note  ${note}`),
  ];
  for (const line of lines) process.stderr.write(`${escapeProse(line)}\n`);
}

function shown({ mode, ...file }: RenderedFile): object {
  return { ...file, mode: modeOf({ mode }) };
}

function modeOf({ mode }: Pick<RenderedFile, "mode">): string {
  return mode.toString(8).padStart(4, "0");
}
