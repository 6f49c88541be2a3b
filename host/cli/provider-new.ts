/** kleidi provider new: writes the source of a new provider. */
import { stringifyAscii } from "../lib/text.ts";
import { isProviderName, scaffold, TEMPLATE_NAMES, type TemplateName } from "../provider/scaffold.ts";
import { EXIT, print } from "./output.ts";
import { UsageError } from "./usage-error.ts";

export interface ProviderNewOptions {
  readonly lang: string;
  readonly json: boolean;
}

/** @throws UsageError, the name or the language cannot be used, or the folder exists */
export function providerNewCommand(name: string, { lang, json }: ProviderNewOptions): number {
  if (!isProviderName(name))
    throw new UsageError(
      `Cannot use the name ${JSON.stringify(name)}: expected 1 to 63 of a-z, 0-9 and -, a letter first`,
    );
  if (!isTemplate(lang))
    throw new UsageError(`Cannot use --lang ${lang}: expected one of ${TEMPLATE_NAMES.join(", ")}`);
  const files = write(name, lang);
  const next = [
    `cd ${name}`,
    ...(lang === "assemblyscript" ? ["npm install"] : []),
    "kleidi provider build",
    `kleidi provider test ${name}.wasm`,
  ];
  print(
    json
      ? stringifyAscii({ ok: true, provider: name, language: lang, files, next })
      : [`Wrote ${files.length} files to ${name}/. Next:`, ...next.map((line) => `  ${line}`)].join("\n"),
  );
  return EXIT.SUCCESS;
}

function isTemplate(text: string): text is TemplateName {
  return (TEMPLATE_NAMES as string[]).includes(text);
}

function write(name: string, language: TemplateName): string[] {
  try {
    return scaffold(".", name, language);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new UsageError(`Cannot create the folder ${name}: it exists; give another name, or remove it`, {
      cause: error,
    });
  }
}
