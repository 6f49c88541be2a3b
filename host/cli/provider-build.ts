/** kleidi provider build: compiles, links and examines a provider's module. */
import { relative } from "node:path";
import { capabilityOf, KNOWN } from "../capabilities/registry.ts";
import { escapeForTerminal, stringifyAscii } from "../lib/text.ts";
import { BuildPathError, type BuildResult, buildProvider } from "../provider/build.ts";
import { rowText } from "../provider/rows.ts";
import { DEFAULT_LIMITS } from "./inspect.ts";
import { EXIT, print } from "./output.ts";
import { UsageError } from "./usage-error.ts";

export interface ProviderBuildOptions {
  readonly out?: string;
  readonly fix: boolean;
  readonly dev: boolean;
  readonly json: boolean;
}

/** @throws UsageError, the path cannot be built; KleidiError provider-build or module-invalid */
export function providerBuildCommand(path: string, { json, ...options }: ProviderBuildOptions): number {
  const result = build(path, options);
  print(json ? stringifyAscii(jsonOf(result)) : textOf(result));
  return EXIT.SUCCESS;
}

function build(path: string, options: Omit<ProviderBuildOptions, "json">): BuildResult {
  try {
    return buildProvider({ path, ...options, known: KNOWN });
  } catch (error) {
    if (!(error instanceof BuildPathError)) throw error;
    throw new UsageError(`Cannot build ${path}: it ${error.message}`, { cause: error });
  }
}

function jsonOf(result: BuildResult): object {
  const { linked, manifest, language, out, size, sha256 } = result;
  const { stubs, initializes, removedExports, removedSections } = linked;
  return {
    ok: true,
    provider: manifest.name,
    language,
    module: out,
    size,
    sha256,
    stubs,
    initializes,
    removedExports,
    removedSections,
    rows: manifest.capabilities,
    configuration: configurationOf(result),
  };
}

function textOf(result: BuildResult): string {
  const { linked, manifest, language, out, size, sha256 } = result;
  const { stubs, initializes, removedExports, removedSections } = linked;
  const listed = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${escapeForTerminal(line)}`)];
  return [
    `Built provider "${manifest.name}" (${language}).`,
    ...listed(
      "Replaced imports",
      stubs.map(({ name, effect }) => `${name}: ${effect}`),
    ),
    ...(initializes ? ["_initialize runs before the first export of an instance."] : []),
    ...listed("Removed exports", removedExports),
    ...listed("Removed sections", removedSections),
    ...listed(
      "Host calls",
      manifest.capabilities.map((row) => `${rowText(row)}: ${row.why}`),
    ),
    "",
    `${relative("", out)}  ${size} bytes`,
    `sha256  ${sha256}`,
    "",
    configurationOf(result).trimEnd(),
  ].join("\n");
}

const PAGE = 65_536;
const MIB = 1 << 20;

/** The YAML of the provider in the configuration; the grants have placeholders where the operator decides. */
function configurationOf({ manifest, module, out, sha256 }: BuildResult): string {
  const capabilities = [...new Set(manifest.capabilities.map(({ capability }) => capability))];
  const grants = capabilities.flatMap((name) => {
    const operations = manifest.capabilities
      .filter(({ capability }) => capability === name)
      .flatMap((row) => row.operations);
    const line = capabilityOf(name)?.grant?.line([], [...new Set(operations)]);
    return line === undefined ? [] : [`      ${line}`];
  });
  const memory = (module.memories[0]?.min ?? 0) * PAGE;
  // twice its initial size: the module grows
  const limit =
    memory * 2 <= DEFAULT_LIMITS.memoryBytes
      ? []
      : [`    limits: { memory: ${Math.ceil((memory * 2) / MIB)}MiB }`];
  return [
    "providers:",
    `  ${manifest.name}:`,
    `    module: ${relative("", out)}`,
    `    sha256: ${sha256}`,
    ...limit,
    ...(grants.length === 0 ? [] : ["    grants:", ...grants]),
    "",
  ].join("\n");
}
