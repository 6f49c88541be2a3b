/** The wall of a configuration: opened before providers' processes are started, and tried by `kleidi check`. */
import type { Config } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import { type Finding, finding } from "../finding.ts";
import { guestArguments } from "../sandbox/guest-arguments.ts";
import type { AheadWall } from "../sandbox/wall/ahead.ts";
import type { Wall } from "../sandbox/wall/build.ts";
import { openWall, openWallAhead } from "../sandbox/wall/choose.ts";

/**
 * Builds the configured wall and tries it.
 * @throws KleidiError wall-missing
 */
export async function wallOf(config: Config): Promise<Wall> {
  return await openWall(config.sandbox, smallestLimit(config));
}

/**
 * The same, and starts the process of the first provider meanwhile.
 * @throws KleidiError wall-missing
 */
export async function wallAheadOf(config: Config): Promise<AheadWall> {
  const [first] = config.providers;
  // The rules of the configuration exclude it.
  if (first === undefined) throw new KleidiError("host-fault", "Cannot find a provider");
  const { memoryBytes, processMemoryBytes } = first.limits;
  return await openWallAhead(config.sandbox, smallestLimit(config), {
    nodeArguments: guestArguments(memoryBytes),
    memoryBytes: processMemoryBytes,
  });
}

/** Node must be able to start with the smallest of the limits. */
function smallestLimit({ providers }: Config): number {
  return Math.min(...providers.map(({ limits }) => limits.processMemoryBytes));
}

/** Tries the wall as the user who runs the command. */
export async function checkWall(config: Config): Promise<Finding> {
  const subject = "wall";
  try {
    const { detail } = await wallOf(config);
    return { subject, ok: true, detail };
  } catch (error) {
    return finding(subject, error);
  }
}
