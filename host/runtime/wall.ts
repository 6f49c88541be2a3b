/** The wall of a configuration: opened for whatever starts providers' processes, and as `kleidi check` tells of it. */
import type { Config } from "../config/config.ts";
import { type Finding, finding } from "../finding.ts";
import type { Wall } from "../sandbox/wall/build.ts";
import { openWall } from "../sandbox/wall/choose.ts";

/**
 * Builds the wall that the configuration asks for, and tries it.
 * @throws KleidiError wall-missing
 */
export async function wallOf({ sandbox, providers }: Config): Promise<Wall> {
  // Node has to start with the least of them too.
  return await openWall(sandbox, Math.min(...providers.map(({ limits }) => limits.processMemoryBytes)));
}

/** The wall as it would be in force for whoever runs the command. */
export async function checkWall(config: Config): Promise<Finding> {
  const what = "wall";
  try {
    const { detail } = await wallOf(config);
    return { what, ok: true, detail };
  } catch (error) {
    return finding(what, error);
  }
}
