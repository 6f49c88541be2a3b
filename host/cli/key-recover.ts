/** kleidi key recover: continues after the history was lost, cut, damaged or restored from an older backup. */
import { readdirSync } from "node:fs";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { recoverHistory } from "../keys/recover.ts";
import type { Outcome } from "./key-life.ts";
import { show } from "./key-life.ts";

/** @throws KleidiError config-invalid, history-invalid, key-locked */
export function keyRecoverCommand(configPath: string, { json }: { json: boolean }): number {
  const lost = recoverHistory(configPath, formerNames(loadConfig(configPath)));
  return show(lost === undefined ? intact() : recovered(lost), [], json);
}

function intact(): Outcome {
  return { lines: ["The history is intact; nothing was changed."], fields: { changed: false } };
}

function recovered({ fault, aside, former }: NonNullable<ReturnType<typeof recoverHistory>>): Outcome {
  return {
    lines: [
      `${fault}.`,
      ...(aside === undefined ? [] : [`The file that was there is kept as ${aside}.`]),
      "The history continues from the configuration, and records the loss. Every key that is there, and these former names, may have been active, so none of them becomes active again without --force:",
      `  ${former.length === 0 ? "no former names were found" : former.join(", ")}`,
    ],
    fields: { changed: true, lost: fault, former, ...(aside === undefined ? {} : { aside }) },
  };
}

/** The names of all keys whose files or records are in the folders of keys. */
function formerNames({ keystore, state, keys }: Config): string[] {
  const configured = new Set(keys.map(({ name }) => name));
  const names = [keystore?.directory, state?.directory].flatMap((folder) =>
    folder === undefined ? [] : namesIn(folder),
  );
  return [...new Set(names)].filter((name) => !configured.has(name)).sort();
}

function namesIn(folder: string): string[] {
  return readdirSync(folder).flatMap(
    (file) => /^([a-z0-9][a-z0-9-]*)\.(?:key|json|state|made)$/.exec(file)?.[1] ?? [],
  );
}
