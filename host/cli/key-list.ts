/** kleidi key list: each key with its file, its state in the running host, its past, and the next step. */
import { KeyDirectory } from "../capabilities/keystore/directory.ts";
import { fingerprint } from "../capabilities/keystore/key-file.ts";
import { StateDirectory } from "../capabilities/state/directory.ts";
import { examineHistory } from "../checks/history.ts";
import { type Config, type KeyConfig, providerOf } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { remedyOfFault } from "../error.ts";
import { type Finding, finding, levelOf } from "../finding.ts";
import { inForceSince, iso, needsProof, promotableAt, type Situation } from "../keys/life.ts";
import { mayHaveBeenActive, type Past } from "../keys/past.ts";
import { waitAfterPromotion } from "../rotation/waits.ts";
import { becomeServingUser } from "../runtime/serving-user.ts";
import { homeOf } from "./key-create.ts";
import { fromTime, situationOf } from "./key-life.ts";
import { EXIT, print, report } from "./output.ts";

/** One key, for --json. Absent: unknown. */
interface ListedKey extends Finding {
  readonly name: string;
  readonly provider: string;
  readonly use: string;
  readonly foreign?: string;
  readonly version?: string;
  readonly keyIdHash?: string;
  readonly host?: "ready" | "not ready" | "not loaded";
  readonly stagedAt?: string;
  readonly activeFrom?: string;
  readonly activeUntil?: string;
  readonly next?: string;
}

/** @throws KleidiError config-invalid */
export async function keyListCommand(configPath: string, options: { json: boolean }): Promise<number> {
  const asCaller = loadConfig(configPath);
  const history = examineHistory(asCaller);
  const found = becomeServingUser(asCaller);
  const config = loadConfig(configPath);
  const situation = await situationOf(config, history.past);
  const keys = config.keys.map((key) => listedOf(config, key, situation, history.isKnown));
  const findings = [...found, ...keys, ...history.findings];
  if (!options.json) return report(findings, false);
  const ok = findings.every((each) => each.ok);
  const lines = findings.map(({ subject, ok, detail, hint, warning }) => {
    return { subject, ok, level: levelOf({ subject, ok, detail, warning }), detail, hint };
  });
  const warnings = lines.filter(({ level }) => level === "warn").length;
  print(JSON.stringify({ ok, warnings, findings: lines, keys }, null, 2));
  return ok ? EXIT.SUCCESS : EXIT.PROBLEMS;
}

function listedOf(config: Config, key: KeyConfig, situation: Situation, isKnown: boolean): ListedKey {
  const { version, ...found } = materialOf(config, key);
  const { name, use, foreign } = key;
  const provider = providerOf(key);
  const held = situation.host?.keys.find((each) => each.name === name);
  const past = isKnown ? situation.past.keys.get(name) : undefined;
  const next = foreign === undefined ? past && nextOf(situation, name, use) : nextOfForeign(name);
  const host =
    situation.host === undefined
      ? undefined
      : held === undefined
        ? "not loaded"
        : held.ready && (held.use === "active") === (use === "active")
          ? "ready"
          : held.ready
            ? "not loaded"
            : "not ready";
  const hash = held?.hashes[0];
  const parts = [
    found.detail,
    ...(foreign === undefined ? [] : [`for objects of ${foreign}`]),
    ...(host === undefined ? [] : [hostText(host, held?.use, use)]),
    ...(hash === undefined ? [] : [`key_id ${hash.slice(0, 23)}…`]),
    ...pastText(past),
    ...(next === undefined ? [] : [`next: ${next}`]),
  ];
  return {
    ...{ subject: found.subject, ok: found.ok, detail: parts.join("; "), name, provider, use },
    ...(foreign === undefined ? {} : { foreign }),
    ...(found.hint === undefined ? {} : { hint: found.hint }),
    ...(version === undefined ? {} : { version }),
    ...(hash === undefined ? {} : { keyIdHash: hash }),
    ...(host === undefined ? {} : { host }),
    ...times(past),
    ...(next === undefined ? {} : { next }),
  };
}

function hostText(host: string, inForce: string | undefined, use: string): string {
  if (host === "ready") return "ready in the running host";
  if (host === "not ready") return "not ready in the running host";
  const which = inForce === undefined ? "does not have it" : `has it as ${inForce}, not ${use}`;
  return `the running host ${which}: reload or restart it`;
}

function times(past: ReturnType<Past["keys"]["get"]>): Partial<ListedKey> {
  const { stagedAt, activeFrom, activeUntil } = past ?? {};
  return {
    ...(stagedAt === undefined ? {} : { stagedAt: iso(stagedAt) }),
    ...(activeFrom === undefined ? {} : { activeFrom: iso(activeFrom) }),
    ...(activeUntil === undefined ? {} : { activeUntil: iso(activeUntil) }),
  };
}

function pastText(past: ReturnType<Past["keys"]["get"]>): string[] {
  const { stagedAt, activeFrom, activeUntil } = times(past);
  if (activeFrom !== undefined)
    return [
      `active ${past?.stagedAt === undefined ? "before" : "from"} ${activeFrom}${activeUntil === undefined ? "" : ` until ${activeUntil}`}`,
    ];
  return stagedAt === undefined ? [] : [`staged ${stagedAt}`];
}

/** Its objects can be rewritten at any time, and it is never promoted. */
function nextOfForeign(name: string): string {
  return `kleidi migrate, then kleidi key retire ${name}, with a proof`;
}

function nextOf(situation: Situation, name: string, use: string): string | undefined {
  const { past, now, lagMs } = situation;
  if (use === "active" || use === "member") return undefined;
  if (!mayHaveBeenActive(past, name))
    return `kleidi key promote ${name}, ${fromTime(promotableAt(situation, name), now)}`;
  if (!needsProof(past, name) || past.active === undefined) return undefined;
  const at = inForceSince(situation, past.active) + waitAfterPromotion(lagMs);
  return `kleidi key retire ${name}, with a proof, ${fromTime(at, now)}`;
}

type Material = Finding & { readonly version?: string };

function materialOf(config: Config, key: KeyConfig): Material {
  const { name, use } = key;
  const subject = `key ${name}`;
  try {
    const home = homeOf(config, key);
    if (home === "keystore")
      return keystoreLine(new KeyDirectory(config.keystore?.directory ?? ""), name, use);
    if (home === "state") return recordLine(config, name, use);
    if (key.members !== undefined)
      return { subject, ok: true, detail: `${use}, ${key.mode} of ${key.members.join(" and ")}` };
    return { subject, ok: true, detail: `${use}, in the KMS of provider ${key.provider}` };
  } catch (error) {
    return finding(subject, error);
  }
}

function keystoreLine(directory: KeyDirectory, name: string, use: string): Material {
  const bytes = directory.load(name);
  const version = fingerprint(bytes);
  bytes.wipe();
  const created = directory.record(name)?.created ?? "created elsewhere";
  return { subject: `key ${name}`, ok: true, version, detail: `${use}, fingerprint ${version}, ${created}` };
}

/** A key with a record. Only its provider knows the version: "check --live" asks it. */
function recordLine({ state }: Config, name: string, use: string): Finding {
  const subject = `key ${name}`;
  const records = new StateDirectory(state?.directory ?? "");
  if (records.get(name) !== undefined) {
    return {
      subject,
      ok: true,
      detail: `${use}, created by its provider, record ${records.recordPath(name)}`,
    };
  }
  const detail = `${use}, its provider has not created it: ${records.recordPath(name)} does not exist`;
  return { subject, ok: false, detail, hint: remedyOfFault("key-not-made") };
}
