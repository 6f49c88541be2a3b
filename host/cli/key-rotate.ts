/** kleidi key rotate: stages the successor of a key, decrypt-only. */
import type { Config, KeyConfig, SimpleKeyConfig } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import { stageKey, withoutAdmin } from "../keys/edits.ts";
import { type KeyFile, withKeyFile } from "../keys/key-file.ts";
import { iso, promotableAt } from "../keys/life.ts";
import { type CreateOptions, createKey, type Home, homeOf, materialOf } from "./key-create.ts";
import {
  assertNoObjections,
  diffLines,
  forcedLines,
  fromTime,
  type LifeOptions,
  type Outcome,
  show,
  situationOf,
} from "./key-life.ts";
import {
  assertNewName,
  assertNotForeign,
  isStaged,
  isUnfinished,
  keyNamed,
  proposedName,
  waitingKeys,
} from "./key-names.ts";

export interface RotateOptions extends LifeOptions, CreateOptions {
  /** The name of the new key. */
  readonly as?: string;
}

/**
 * @param name the key that is succeeded; by default the active one
 * @throws KleidiError config-invalid, history-invalid, key-change-refused, key-locked; those of key init
 * @throws UsageError
 */
export async function keyRotateCommand(
  configPath: string,
  name: string | undefined,
  options: RotateOptions,
): Promise<number> {
  return await withKeyFile(configPath, options.dryRun, async (file) => {
    const named = keyNamed(file.config, name);
    assertNotForeign("rotate", named);
    const old = rotatable(file.config, named);
    const next = options.as ?? proposedName(file, old);
    const outcome = isStaged(file, next)
      ? await staged(file, old, next)
      : await stage(file, old, next, options);
    return show(outcome, file.notes, options.json);
  });
}

/**
 * A composed key has no version of its own, and a successor of a member would have to take its place in a list.
 * @throws KleidiError key-change-refused
 */
function rotatable({ keys }: Config, key: KeyConfig): SimpleKeyConfig {
  if (key.members === undefined && key.use !== "member") return key;
  const members = key.members ?? [key.name];
  const providers = members.map((name) => keys.find((each) => each.name === name)?.provider);
  const steps = members.map((name, i) => `"${name}" in the KMS of provider ${providers[i]}`).join(", ");
  const what = key.members === undefined ? "it is a member of another key" : "it is composed of other keys";
  throw new KleidiError(
    "key-change-refused/composed",
    `Cannot rotate key "${key.name}": ${what}; rotate ${steps}, then run: kleidi key refresh`,
  );
}

async function staged({ config, past }: KeyFile, old: KeyConfig, name: string): Promise<Outcome> {
  const situation = await situationOf(config, past);
  const at = promotableAt(situation, name);
  return {
    lines: [
      `Key "${name}" is staged already, since ${iso(past.keys.get(name)?.stagedAt ?? 0)}; nothing was changed.`,
      `Promote it ${fromTime(at, situation.now)}: kleidi key promote ${name}`,
    ],
    fields: { changed: false, key: name, succeeds: old.name, ...(at && { promotableAt: iso(at) }) },
  };
}

async function stage(
  file: KeyFile,
  old: SimpleKeyConfig,
  name: string,
  options: RotateOptions,
): Promise<Outcome> {
  const { config, past } = file;
  assertNewName(file, name);
  const waiting = waitingKeys(config, past).map((each) => ({
    message: `key "${each}" is staged and was never promoted: promote or retire it first`,
  }));
  const forced = assertNoObjections("stage", name, waiting, options);
  const home = homeOf(config, old);
  const draft = stageKey(file.text, old.name, name);
  file.check(draft);
  const situation = await situationOf(config, past);
  if (options.dryRun) return dryRun(file, draft, home, name);
  const isFound = materialOf(config, home, name) !== undefined && !isUnfinished(past, name);
  if (!isFound && !isUnfinished(past, name))
    file.record([{ event: "create", key: name, provider: old.provider }]);
  const { version, how, warnings } = file.withCopy(withoutAdmin(draft), (copy) =>
    createKey(home, name, copy, options),
  );
  const pin = old.version === undefined ? undefined : version;
  file.replace(pin === undefined ? draft : stageKey(file.text, old.name, name, pin), {
    event: "stage",
    key: name,
    provider: old.provider,
    ...(isFound ? { found: true } : {}),
    ...(forced.length === 0 ? {} : { forced }),
  });
  const at = promotableAt({ ...situation, past: file.past }, name) ?? situation.now;
  const steps = [
    ...nextSteps(home, old.name, name),
    `When every host has it, from ${iso(at)}: kleidi key promote ${name}`,
  ];
  const all = [...(isFound ? [FOUND] : []), ...warnings];
  return {
    lines: [
      ...forcedLines("stage", name, forced),
      `Staged key "${name}" (provider ${old.provider}), decrypt-only: it was ${how}${version === undefined ? "" : `, version ${version}`}. ${config.file} has it.`,
      ...all.map((warning) => `Warning: ${warning}`),
      "Next:",
      ...steps.map((step, index) => `  ${index + 1}. ${step}`),
    ],
    fields: {
      ...{ changed: true, key: name, succeeds: old.name, provider: old.provider, how, file: config.file },
      ...{ promotableAt: iso(at), warnings: all, forced, diff: diffLines(config.file, file.text, draft) },
      ...(version === undefined ? {} : { version }),
    },
  };
}

const FOUND =
  "its files were there before. It must be the key that another node created for this rotation, and no older one.";

function dryRun(file: KeyFile, draft: string, home: Home, name: string): Outcome {
  const diff = diffLines(file.config.file, file.text, draft);
  const create = {
    keystore: `Would create the key "${name}" in the keystore, unless its files are there.`,
    state: `Would have the provider create the key "${name}", unless its record is there.`,
    kms: `Would check that the KMS has the key "${name}".`,
  }[home];
  return {
    lines: [...diff, create, "Nothing was changed (--dry-run)."],
    fields: { changed: false, key: name, diff },
  };
}

function nextSteps(home: Home, old: string, name: string): string[] {
  const again = `kleidi key rotate ${old} --as ${name}`;
  const others = {
    keystore: `Copy ${name}.key and ${name}.json to every other control-plane node and to the backup; there: ${again}`,
    state: `On every other control-plane node, with the bytes of --escrow: ${again} --import FILE`,
    kms: `On every other control-plane node: ${again}`,
  }[home];
  return [others, "On every node: kleidi reload, or restart the host; then kleidi key list"];
}
