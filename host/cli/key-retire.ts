/** kleidi key retire: removes a key that no object needs from the configuration. Its files stay, unless they are asked for. */
import { unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { type Config, providerOf } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import { retireKey } from "../keys/edits.ts";
import { type KeyFile, withKeyFile } from "../keys/key-file.ts";
import { hashOf, needsProof, type Objection, objectionsToRetire, type Situation } from "../keys/life.ts";
import { syncFolder } from "../lib/write-files.ts";
import { type Home, homeOf, materialOf } from "./key-create.ts";
import {
  assertNoObjections,
  diffLines,
  dryRunOutcome,
  forcedLines,
  type LifeOptions,
  type Outcome,
  show,
  situationOf,
} from "./key-life.ts";
import { keyNamed } from "./key-names.ts";
import { assertNotActive } from "./key-promote.ts";
import { type ProofOptions, proofOf } from "./key-proof.ts";

export interface RetireOptions extends LifeOptions, ProofOptions {
  /** Also remove the key's file or record. */
  readonly removeFiles: boolean;
}

/** @throws KleidiError config-invalid, history-invalid, key-change-refused, key-locked; UsageError */
export async function keyRetireCommand(
  configPath: string,
  name: string,
  options: RetireOptions,
): Promise<number> {
  return await withKeyFile(configPath, options.dryRun, async (file) =>
    show(await retire(file, name, options), file.notes, options.json),
  );
}

async function retire(file: KeyFile, name: string, options: RetireOptions): Promise<Outcome> {
  const { config, past } = file;
  if (!config.keys.some((key) => key.name === name) && past.keys.get(name)?.retiredAt !== undefined)
    return {
      lines: [`Key "${name}" is retired already; nothing was changed.`],
      fields: { changed: false, key: name },
    };
  const key = keyNamed(config, name);
  assertNotActive(name, key.use);
  assertNoMember(config, name);
  const active = keyNamed(config, undefined).name;
  const situation = await situationOf(config, past);
  noteServing(file, situation, active);
  const text = retireKey(file.text, name);
  file.check(text);
  const diff = diffLines(config.file, file.text, text);
  // A foreign key was never active here, and encrypted all the same: for the other plugin.
  const mayBeNeeded = key.foreign !== undefined || needsProof(past, name);
  const waits = objectionsToRetire({ ...situation, past: file.past }, active, name, mayBeNeeded);
  const { proof, faults } = await provenOf(situation, mayBeNeeded, config, name, options);
  const objections = [...waits, ...faults];
  if (options.dryRun) return dryRunOutcome("retire", name, diff, objections, proof);
  const forced = assertNoObjections("retire", name, objections, options);
  file.replace(text, {
    event: "retire",
    key: name,
    provider: providerOf(key),
    ...keyIdHash(situation, name),
    ...(proof === undefined ? {} : { proof }),
    ...(forced.length === 0 ? {} : { forced }),
  });
  const home = homeOf(config, key);
  const removed = options.removeFiles ? removeFile(config, home, name) : undefined;
  return {
    lines: [...forcedLines("retire", name, forced), ...report(config, home, name, proof, removed)],
    fields: { changed: true, key: name, proof, removed, forced, diff },
  };
}

/** @throws KleidiError key-change-refused, a composed key names it */
function assertNoMember({ keys }: Config, name: string): void {
  const owner = keys.find(({ members }) => members?.includes(name));
  if (owner === undefined) return;
  throw new KleidiError(
    "key-change-refused/member",
    `Cannot retire key "${name}": it is a member of key "${owner.name}"`,
  );
}

/** From the first time at which the running host is seen to encrypt with the key, the wait is known. */
function noteServing(file: KeyFile, { host }: Situation, active: string): void {
  const key = host?.keys.find((each) => each.name === active);
  const hash = key?.hashes[0];
  if (key?.use !== "active" || !key.ready || hash === undefined) return;
  if (file.past.keys.get(active)?.servedAt !== undefined) return;
  file.record([{ event: "serve", key: active, key_id_hash: hash }]);
}

async function provenOf(
  { host }: Situation,
  mayBeNeeded: boolean,
  config: Config,
  name: string,
  options: ProofOptions,
): Promise<{ proof?: string; faults: readonly Objection[] }> {
  if (!mayBeNeeded) return { proof: "it was never active", faults: [] };
  const hashes = host?.keys.find((key) => key.name === name)?.hashes ?? [];
  const active = host?.keys.find((key) => key.use === "active")?.hashes[0] ?? "";
  const hasComposed = config.keys.some(({ members }) => members !== undefined);
  const former = { hashes, ...(hasComposed ? { allBut: active } : {}) };
  const { proof, faults } = await proofOf(config, former, options);
  return { ...(proof === undefined ? {} : { proof }), faults: faults.map((message) => ({ message })) };
}

function keyIdHash({ host }: Situation, name: string): { key_id_hash?: string } {
  const hash = host === undefined ? "" : hashOf(host, name);
  return hash.startsWith("sha256:") ? { key_id_hash: hash } : {};
}

/** Its record of creation stays: no other key gets its name. */
function removeFile(config: Config, home: Home, name: string): string | undefined {
  const file = materialOf(config, home, name);
  if (file === undefined) return undefined;
  unlinkSync(file);
  syncFolder(dirname(file));
  return file;
}

function report(
  config: Config,
  home: Home,
  name: string,
  proof: string | undefined,
  removed: string | undefined,
): string[] {
  const kept = materialOf(config, home, name);
  const files = [
    ...(removed === undefined
      ? []
      : [`Removed ${removed}. A backup of etcd from the key's time can no longer be read without a copy.`]),
    ...(kept === undefined ? [] : [`${kept} stays: keep it as long as a backup of etcd may need it.`]),
  ];
  return [
    `Key "${name}" is removed from ${config.file}.${proof === undefined ? "" : ` Proof: ${proof}.`}`,
    ...files,
    "Next: on every node the same, then kleidi reload, or restart the host.",
  ];
}
