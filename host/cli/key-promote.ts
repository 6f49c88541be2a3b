/** kleidi key promote: a staged key becomes active, and the former active key decrypts. */
import { providerOf } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import { promoteKey } from "../keys/edits.ts";
import { type KeyFile, withKeyFile } from "../keys/key-file.ts";
import { hashOf, objectionsToPromote, type Situation } from "../keys/life.ts";
import { WAITS_MS, waitAfterPromotion } from "../rotation/waits.ts";
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
import { assertNotForeign, keyNamed } from "./key-names.ts";

/** @throws KleidiError config-invalid, history-invalid, key-change-refused, key-locked; UsageError */
export async function keyPromoteCommand(
  configPath: string,
  name: string,
  options: LifeOptions,
): Promise<number> {
  return await withKeyFile(configPath, options.dryRun, async (file) =>
    show(await promote(file, name, options), file.notes, options.json),
  );
}

async function promote(file: KeyFile, name: string, options: LifeOptions): Promise<Outcome> {
  const { config, past } = file;
  const key = keyNamed(config, name);
  const former = keyNamed(config, undefined);
  if (key.use === "active")
    return {
      lines: [`Key "${name}" is active already; nothing was changed.`],
      fields: { changed: false, key: name },
    };
  assertNotForeign("promote", key);
  const situation = await situationOf(config, past);
  const text = promoteKey(file.text, name);
  file.check(text);
  const diff = diffLines(config.file, file.text, text);
  const objections = objectionsToPromote(situation, former.name, name);
  if (options.dryRun) return dryRunOutcome("promote", name, diff, objections);
  const forced = assertNoObjections("promote", name, objections, options);
  file.replace(text, {
    event: "promote",
    key: name,
    provider: providerOf(key),
    replaces: former.name,
    ...hashesOf(situation, name, former.name),
    ...(forced.length === 0 ? {} : { forced }),
  });
  return {
    lines: [...forcedLines("promote", name, forced), ...report(situation, name, former.name)],
    fields: {
      changed: true,
      key: name,
      replaces: former.name,
      waitMs: waitAfterPromotion(situation.lagMs),
      forced,
      diff,
    },
  };
}

/** Absent for a key that the running host does not know. */
function hashesOf({ host }: Situation, name: string, former: string) {
  if (host === undefined) return {};
  const known = (key: string) =>
    host.keys.some((each) => each.name === key && each.hashes.length > 0) ? hashOf(host, key) : undefined;
  const [own, replaced] = [known(name), known(former)];
  return {
    ...(own === undefined ? {} : { key_id_hash: own }),
    ...(replaced === undefined ? {} : { replaces_key_id_hash: replaced }),
  };
}

function report({ lagMs }: Situation, name: string, former: string): string[] {
  const { poll, expiry, margin } = WAITS_MS;
  const parts = [poll, expiry, lagMs, margin].map((ms) => Math.ceil(ms / 1000));
  const total = Math.ceil(waitAfterPromotion(lagMs) / 1000);
  return [
    `Key "${name}" is active in the configuration, and "${former}" decrypts.`,
    "Next:",
    "  1. On every node: kleidi reload, or restart the host; then kleidi key list",
    `  2. Wait ${total} s after the last node: ${parts[0]} s until the API server's next Status, ${parts[1]} s in which it may write with the old key, ${parts[2]} s of the host, ${parts[3]} s of margin`,
    "  3. Rewrite every object (docs/operate/rotate.md)",
    `  4. Retire the former key with a proof: kleidi key retire ${former} --encryption-config FILE --kubeconfig FILE`,
  ];
}

/** @throws KleidiError key-change-refused */
export function assertNotActive(name: string, use: string): void {
  if (use !== "active") return;
  throw new KleidiError("key-change-refused/active", `Cannot retire key "${name}": it is active`);
}
