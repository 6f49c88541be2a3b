/** Chooses the wall: the strongest one that passes its probe, the one that the configuration names, or none. */
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
  /** The folder with bwrap, setpriv, prlimit and choom; default: the folders of the distribution. */
  readonly programs?: string;
}

/** The kinds of walls, the strongest first. */
const KINDS: readonly WallKind[] = [bubblewrap, landlock];

export interface Refused {
  readonly name: WallName;
  readonly why: string;
  readonly remedy: string;
}

/**
 * Builds a wall and probes it. It first closes the descriptors that this process inherited: processes behind the wall would inherit them too.
 * @param memoryBytes the smallest memory limit of all providers, in bytes
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

interface WallInputs {
  readonly programs: Programs;
  readonly folder: string | undefined;
  readonly memoryBytes: number;
}

async function tryKind(
  kind: WallKind,
  { programs, folder, memoryBytes }: WallInputs,
): Promise<Wall | Refused> {
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
