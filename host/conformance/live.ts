/** Level 4, and the other levels against the real KMS of a configuration: its provider runs as `kleidi serve` would run it. */
import type { Config } from "../config/config.ts";
import type { ModuleFile } from "../inspect/report.ts";
import { EventLog } from "../runtime/event-log.ts";
import { combineObservers } from "../runtime/observer.ts";
import { Providers } from "../runtime/providers.ts";
import { createLog } from "../telemetry/log.ts";
import { admitModule } from "./admitted.ts";
import { scripted } from "./call-script.ts";
import { type Check, eachOf, type Level, type Result } from "./check.ts";
import { opensTo } from "./expectation.ts";
import { FixtureError, type FixtureKey } from "./fixture.ts";
import { allChecks, runChecks } from "./kit.ts";
import { Subject } from "./subject.ts";

export interface LiveOptions {
  readonly file: ModuleFile;
  readonly config: Config;
  readonly levels: readonly Level[];
  readonly bail: boolean;
  readonly onResult: (result: Result) => void;
}

/** A real KMS is slow, and somebody else may use it. */
const PARALLEL = 4;
const VARIANTS = 16;
const AT_ONCE = 64;

export const LIVE_CHECKS: readonly Check[] = [
  { name: "seeds_64_at_once", level: 4, section: "2", run: manyAtOnce },
];

/**
 * Tests the provider of a configuration that has this module, with its active key.
 * @throws FixtureError if the configuration does not have the module; KleidiError of admission and of the KMS
 */
export async function testLive({ file, config, levels, bail, onResult }: LiveOptions): Promise<void> {
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
    await runChecks(subject, [...allChecks(), ...LIVE_CHECKS], { levels, onResult, bail });
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
