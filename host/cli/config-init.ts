/** kleidi config init: writes a configuration with comments, from options or from answers on a terminal. */
import { join, resolve } from "node:path";
import { ConfigError } from "../config/config-error.ts";
import { parseConfig } from "../config/parse.ts";
import { documentText, type NewDocument, stepsOf } from "../init/document.ts";
import { systemFault } from "../lib/files.ts";
import { quote } from "../lib/text.ts";
import { createGroupReadable, statOf } from "../lib/write-files.ts";
import { isInteractive, Terminal } from "./ask.ts";
import { chooseTemplate, collectAnswers } from "./config-answers.ts";
import { readModuleFile } from "./module-file.ts";
import { EXIT, print } from "./output.ts";
import { UsageError } from "./usage-error.ts";

/** The folder with the providers and the documents of this kleidi. */
const ROOT = join(import.meta.dirname, "..", "..");

export interface ConfigInitOptions {
  readonly json: boolean;
  readonly for?: string;
  readonly module?: string;
  /** Answers to the questions of host/init/templates.ts, by the names of their options in camel case. */
  readonly [answer: string]: unknown;
}

/**
 * Writes a new file of mode 0640. Never replaces a file.
 * @param configPath the path of the new file
 * @throws UsageError, an option is missing or cannot be used, or the file exists or cannot be written
 */
export async function configInitCommand(configPath: string, options: ConfigInitOptions): Promise<number> {
  const file = resolve(configPath);
  if (statOf(file) !== undefined) throw exists(file);
  const document = await newDocument(file, options);
  const text = documentText(document);
  checkText(text, file);
  write(file, text);
  const { template, module } = document;
  const steps = stepsOf(document);
  if (options.json)
    print(
      JSON.stringify(
        { ok: true, file, provider: template.name, module: module.path, sha256: module.sha256, steps },
        null,
        2,
      ),
    );
  else
    print(
      [`Wrote ${file}. Steps before the first start:`, ...steps.map((step, i) => `  ${i + 1}. ${step}`)].join(
        "\n",
      ),
    );
  return EXIT.SUCCESS;
}

async function newDocument(file: string, options: ConfigInitOptions): Promise<NewDocument> {
  const terminal = isInteractive() ? new Terminal() : undefined;
  try {
    const template = await chooseTemplate(options.for, terminal);
    const path = resolve(options.module ?? join(ROOT, "providers", `${template.name}.wasm`));
    for (const each of [file, path])
      if (/\p{C}/u.test(each))
        throw new UsageError(`Cannot use the path ${quote(each)}: it has characters that are not printable`);
    const { sha256 } = readModuleFile(path);
    const answers = await collectAnswers(template, options, terminal);
    const schema = join(ROOT, "docs", "kleidi.schema.json");
    return { template, answers, file, schema, module: { path, sha256 } };
  } finally {
    terminal?.close();
  }
}

/** Checks the answers together: a path may be valid alone, and too long once it is resolved. */
function checkText(text: string, file: string): void {
  try {
    parseConfig(text, file);
  } catch (error) {
    if (error instanceof ConfigError)
      throw new UsageError(`Cannot write what the options give. ${error.message}`);
    throw error;
  }
}

function write(file: string, text: string): void {
  try {
    createGroupReadable(file, text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw exists(file);
    const { code } = systemFault(file, error).cause as NodeJS.ErrnoException;
    throw new UsageError(`Cannot write ${file} (${code}): create its folder, and let this user write in it`);
  }
}

function exists(file: string): UsageError {
  return new UsageError(`Cannot write ${file}: it exists; move it away, or give another path with --config`);
}
