/** Chooses the wall: the strongest one that passes its probe, the one that the configuration names, or none. */
import { KleidiError } from "../../error.ts";
import { type AheadWall, type StartArguments, startAhead } from "./ahead.ts";
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
export function openWall(settings: WallSettings, memoryBytes: number): Promise<Wall> {
  return open(settings, memoryBytes, (wall) => ({ ...wall, dismiss() {} }));
}

/**
 * The same, and starts a process while the wall is tried.
 * @param first its arguments
 * @throws KleidiError wall-missing; the process is ended
 */
export function openWallAhead(
  settings: WallSettings,
  memoryBytes: number,
  first: StartArguments,
): Promise<AheadWall> {
  return open(settings, memoryBytes, (wall) => startAhead(wall, first));
}

async function open(
  { wall, programs: folder }: WallSettings,
  memoryBytes: number,
  prepare: (wall: Wall) => AheadWall,
): Promise<AheadWall> {
  closeInherited();
  const programs = findPrograms(folder);
  if (wall === "none") return prepare(build(none, programs));
  const refused: Refused[] = [];
  for (const kind of KINDS.filter(({ name }) => wall === "auto" || name === wall)) {
    const tried = await tryKind(kind, { programs, folder, memoryBytes, prepare });
    if ("start" in tried) return tried;
    refused.push(tried);
  }
  throw missing(refused);
}

interface WallInputs {
  readonly programs: Programs;
  readonly folder: string | undefined;
  readonly memoryBytes: number;
  readonly prepare: (wall: Wall) => AheadWall;
}

async function tryKind(
  kind: WallKind,
  { programs, folder, memoryBytes, prepare }: WallInputs,
): Promise<AheadWall | Refused> {
  const { name, needs } = kind;
  const [absent] = needs.filter((program) => programs[program] === undefined);
  const refused = (why: string): Refused => ({ name, why, remedy: remedyOf(name, why) });
  const fault =
    (folder === undefined ? undefined : folderFault(folder)) ??
    (absent === undefined ? undefined : whyMissing(absent, folder));
  if (fault !== undefined) return refused(fault);
  const wall = build(kind, programs);
  const trial = probe(wall, memoryBytes);
  const prepared = prepare(wall);
  const why = await trial;
  if (why === undefined) return prepared;
  prepared.dismiss();
  return refused(why);
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
