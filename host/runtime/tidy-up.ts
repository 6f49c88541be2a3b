/** At the start of a host: what a "kleidi key init" that was killed left of a key, under names that do not count. */
import { KeyDirectory } from "../capabilities/keystore/directory.ts";
import { StateDirectory } from "../capabilities/state/directory.ts";
import { type Config, keystoreNames } from "../config/config.ts";
import type { Logger } from "../telemetry/log.ts";

export function tidyUp({ keystore, state, providers }: Config, log: Logger): void {
  const keys = providers.flatMap(({ grants }) => keystoreNames(grants));
  const records = providers.flatMap(({ grants }) => grants.state?.names ?? []);
  const faults = [
    keystore && new KeyDirectory(keystore.directory).tidy(keys),
    state && new StateDirectory(state.directory).tidy(records),
  ];
  for (const err of faults) {
    if (err !== undefined) log.warn({ err }, "what a killed key init left behind cannot be removed");
  }
}
