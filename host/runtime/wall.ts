/** The wall of a configuration: opened before providers' processes are started, and tried by `kleidi check`. */
import type { Config } from "../config/config.ts";
import { type Finding, finding } from "../finding.ts";
import type { Wall } from "../sandbox/wall/build.ts";
import { openWall } from "../sandbox/wall/choose.ts";

/**
 * Builds the configured wall and tries it.
 * @throws KleidiError wall-missing
 */
export async function wallOf({ sandbox, providers }: Config): Promise<Wall> {
  // Node must be able to start with the smallest of the limits.
  return await openWall(sandbox, Math.min(...providers.map(({ limits }) => limits.processMemoryBytes)));
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
