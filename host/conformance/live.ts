/** Level 4, and the other levels against the real KMS of a configuration: its provider runs as `kleidi serve` would run it. */
import { setTimeout } from "node:timers/promises";
import type { Config } from "../config/config.ts";
import type { ModuleFile } from "../inspect/report.ts";
import { EventLog } from "../runtime/event-log.ts";
import { combineObservers } from "../runtime/observer.ts";
import { Providers } from "../runtime/providers.ts";
import { createLog } from "../telemetry/log.ts";
import { admitModule } from "./admitted.ts";
import { scripted } from "./call-script.ts";
import { type Check, eachOf, type Findings, type Level, type Result } from "./check.ts";
import { runCommand } from "./command.ts";
import { notFailure, opensTo } from "./expectation.ts";
import { FixtureError, type FixtureKey } from "./fixture.ts";
import { allChecks, runChecks } from "./kit.ts";
import { NotGood } from "./not-good.ts";
import { TESTED } from "./outcome.ts";
import { Subject } from "./subject.ts";

export interface LiveOptions {
  readonly file: ModuleFile;
  readonly config: Config;
  readonly levels: readonly Level[];
  readonly bail: boolean;
  readonly commands: KmsCommands;
  readonly onResult: (result: Result) => void;
}

/** A real KMS is slow, and somebody else may use it. */
const PARALLEL = 4;
const VARIANTS = 16;
const AT_ONCE = 64;

/** Commands of the shell that change the KMS. */
export interface KmsCommands {
  /** Makes a new version of the active key. */
  readonly rotate?: string | undefined;
  /** Makes the KMS unreachable, and reachable again. */
  readonly stop?: string | undefined;
  readonly start?: string | undefined;
}

/** @returns the checks of level 4; those whose command is absent do not apply */
function liveChecks({ rotate, stop, start }: KmsCommands): Check[] {
  return [
    { name: "seeds_64_at_once", level: 4, section: "2", run: manyAtOnce },
    {
      name: "kms_out_of_reach",
      level: 4,
      section: "4",
      run: async (subject) =>
        stop === undefined || start === undefined
          ? { skipped: "--stop and --start give no commands" }
          : await outOfReach(subject, stop, start),
    },
    {
      name: "key_rotated",
      level: 4,
      section: "4",
      run: async (subject) =>
        rotate === undefined ? { skipped: "--rotate gives no command" } : await rotated(subject, rotate),
    },
  ];
}

/**
 * Tests the provider of a configuration that has this module, with its active key.
 * @throws FixtureError if the configuration does not have the module; KleidiError of admission and of the KMS
 */
export async function testLive(options: LiveOptions): Promise<void> {
  const { file, config, levels, bail, commands, onResult } = options;
  if (admitModule(file.bytes, onResult) === undefined) return;
  const provider = config.providers.find(({ sha256 }) => sha256 === file.sha256);
  const keys = config.keys.filter((key) => key.provider === provider?.name);
  const [active] = [...keys.filter(({ use }) => use === "active"), ...keys];
  if (provider === undefined || active === undefined)
    throw new FixtureError(
      `Cannot test with the configuration ${config.file}: no provider with a key has the module with the sha256 ${file.sha256}; add one, or correct its sha256`,
    );
  const alone: Config = { ...config, providers: [provider], keys };
  const log = createLog({ level: "error" });
  const observer = combineObservers([new EventLog(log)]);
  const providers = await Providers.open(alone, log, { measure: scripted, observer });
  try {
    await providers.start();
    const { supervisor } = providers.get(provider.name);
    const keyOf = ({ name, settings = {} }: Config["keys"][number]): FixtureKey => ({ key: name, settings });
    const subject = new Subject({
      supervisor,
      provider: provider.name,
      key: keyOf(active),
      others: keys.filter((key) => key !== active).map(keyOf),
      binds: true,
      variants: VARIANTS,
      parallel: PARALLEL,
    });
    await runChecks(subject, [...allChecks(), ...liveChecks(commands)], { levels, onResult, bail });
  } finally {
    await providers.close();
  }
}

/** As after a restart of the API server: each Encrypt and Decrypt ends within the deadline of the configuration. */
async function manyAtOnce(subject: Subject) {
  const { version } = await subject.good();
  const many = new Subject({ ...subject.options, parallel: AT_ONCE, variants: AT_ONCE });
  const numbers = Array.from({ length: AT_ONCE }, (_, i) => i);
  return await eachOf(many, numbers, async () => {
    const sealed = await subject.seal({ version });
    const fault = opensTo(await subject.open(sealed), sealed.plaintext);
    return fault && `Encrypt, one of ${AT_ONCE} at once, ${fault}`;
  });
}

/** While the KMS is stopped each RPC fails with code 3; afterwards what was encrypted before opens. */
async function outOfReach(subject: Subject, stop: string, start: string): Promise<Findings> {
  const good = await subject.good();
  await runCommand(stop);
  let faults: string[];
  try {
    faults = await eachOf(subject, TESTED, async (rpc) => {
      const fault = notFailure(await subject.callGood(rpc), [3]);
      return fault && `${rpc}, while the KMS was stopped, ${fault}`;
    });
  } finally {
    await runCommand(start);
  }
  const fault = await untilGood(async () => opensTo(await subject.open(good), good.plaintext));
  return fault === undefined
    ? faults
    : [...faults, `after the start of the KMS, an earlier Encrypt ${fault}`];
}

/** Status names the new version and lists the old one, whose ciphertexts open; the new version encrypts. */
async function rotated(subject: Subject, rotate: string): Promise<Findings> {
  const good = await subject.good();
  await runCommand(rotate);
  const same = async () =>
    (await subject.status()).version === good.version ? "names the version before the rotation" : undefined;
  const late = await untilGood(same);
  if (late !== undefined) return [`Status ${late}`];
  const { version, olderVersions } = await subject.status();
  const listed = olderVersions.includes(good.version)
    ? []
    : [`Status does not list the version before the rotation, ${good.version}`];
  const old = opensTo(await subject.open(good), good.plaintext);
  const sealed = await subject.seal({ version });
  const now = opensTo(await subject.open(sealed), sealed.plaintext);
  const mixed = notFailure(await subject.open(sealed, { version: good.version }), [1, 2]);
  return [
    ...listed,
    ...(old === undefined ? [] : [`after the rotation, an earlier Encrypt ${old}`]),
    ...(now === undefined ? [] : [`after the rotation, Encrypt ${now}`]),
    ...(mixed === undefined
      ? []
      : [`after the rotation, Decrypt of a new ciphertext with the old version ${mixed}`]),
  ];
}

const PATIENCE_MS = 60_000;
const PAUSE_MS = 200;

/** Tries until there is no fault. @returns the last fault, if there still is one */
async function untilGood(tryOnce: () => Promise<string | undefined>): Promise<string | undefined> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const fault = await tryOnce().catch((error: unknown) => {
      if (error instanceof NotGood) return error.message;
      throw error;
    });
    if (fault === undefined || performance.now() > end) return fault;
    await setTimeout(PAUSE_MS);
  }
}
