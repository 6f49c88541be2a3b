/** The wall that is in force: the strongest that works when it is tried, or the one that the configuration names, or none. */
import { KleidiError } from "../../error.ts";
import { bubblewrap } from "./bubblewrap.ts";
import { build, type Wall } from "./build.ts";
import { closeInherited } from "./descriptors.ts";
import { landlock } from "./landlock.ts";
import { none } from "./none.ts";
import { probe } from "./probe.ts";
import { findPrograms, folderFault, whyMissing } from "./programs.ts";
import { remedyOf } from "./remedies.ts";
import type { Programs, WallKind, WallName } from "./wall.ts";

export interface WallSettings {
  readonly wall: WallName | "auto";
  /** The folder with bwrap, setpriv, prlimit and choom; absent: where distributions have them. */
  readonly programs?: string;
}

/** Walls that hold, the strongest first. */
const KINDS: readonly WallKind[] = [bubblewrap, landlock];

export interface Refused {
  readonly name: WallName;
  readonly why: string;
  readonly remedy: string;
}

/**
 * Builds a wall and tries it. Descriptors that this process inherited are closed first: they would reach the processes behind it.
 * @param memoryBytes what a process behind it may use, the least of all providers
 * @throws KleidiError wall-missing
 */
export async function openWall({ wall, programs: folder }: WallSettings, memoryBytes: number): Promise<Wall> {
  closeInherited();
  const programs = findPrograms(folder);
  if (wall === "none") return build(none, programs);
  const refused: Refused[] = [];
  for (const kind of KINDS.filter(({ name }) => wall === "auto" || name === wall)) {
    const tried = await tryKind(kind, { programs, folder, memoryBytes });
    if ("start" in tried) return tried;
    refused.push(tried);
  }
  throw missing(refused);
}

interface Means {
  readonly programs: Programs;
  readonly folder: string | undefined;
  readonly memoryBytes: number;
}

async function tryKind(kind: WallKind, { programs, folder, memoryBytes }: Means): Promise<Wall | Refused> {
  const { name, needs } = kind;
  const [absent] = needs.filter((program) => programs[program] === undefined);
  const wall = build(kind, programs);
  const why =
    (folder === undefined ? undefined : folderFault(folder)) ??
    (absent === undefined ? await probe(wall, memoryBytes) : whyMissing(absent, folder));
  return why === undefined ? wall : { name, why, remedy: remedyOf(name, why) };
}

function missing(refused: readonly Refused[]): KleidiError {
  const reasons = refused.map(({ name, why }) => `${name}: ${why}`).join("; ");
  const remedies = refused.map(({ remedy }) => remedy).join("\n");
  return new KleidiError(
    "wall-missing",
    `Cannot confine the providers' processes: ${reasons}`,
    new KleidiError("wall-missing", remedies),
  );
}
