/** Parses YAML text into a Config, or reports every fault in it. */
import { createHash } from "node:crypto";
import { dirname, resolve } from "node:path";
import type { Fault } from "../schema/fault.ts";
import { resolvePaths } from "../schema/shape.ts";
import type { Config } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { Document } from "./document.ts";
import { droppedNames } from "./dropped-names.ts";
import { faultsOf } from "./faults.ts";
import { brokenRules } from "./rules.ts";
import { SCHEMA } from "./schema.ts";

/**
 * Parses the text of a configuration file. Reads and writes no file.
 * @param text YAML
 * @param file the path that faults name; relative paths in the text are resolved against its folder
 * @returns the configuration, frozen
 * @throws ConfigError with every fault at once; if there are syntax faults, with these only
 */
export function parseConfig(text: string, file: string): Config {
  const document = new Document(text);
  if (document.value === undefined || document.value === null)
    throw new ConfigError(file, document.faults.length > 0 ? document.faults : [empty(document)]);

  const path = resolve(file);
  const folder = dirname(path);
  const parsed = SCHEMA.safeParse(resolvePaths(document.value, folder, SCHEMA));
  const faults = [
    ...document.faults,
    ...faultsOf(parsed.error?.issues ?? [], document),
    ...brokenRules(document, folder),
    ...droppedNames(document, SCHEMA),
  ];
  if (!parsed.success || faults.length > 0) throw new ConfigError(file, onePerPlace(faults));
  const sha256 = createHash("sha256").update(text).digest("hex");
  return frozen({ file: path, sha256, ...parsed.data });
}

function empty(document: Document): Fault {
  return document.fault([], {
    expected: "a configuration",
    actual: "an empty file",
    remedy: "write: apiVersion: kleidi.dev/v1 (docs/configuration.md has a full example)",
  });
}

/** Keeps the first fault of each place: a fault of the schema precedes one of a rule. */
function onePerPlace(faults: readonly Fault[]): Fault[] {
  const places = new Map<string, Fault>();
  for (const fault of faults.toReversed()) places.set(`${fault.line}:${fault.column} ${fault.path}`, fault);
  return [...places.values()].toReversed();
}

function frozen<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === "object" && part !== null) frozen(part);
  return Object.freeze(value);
}
