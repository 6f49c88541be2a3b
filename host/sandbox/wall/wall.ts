/**
 * The wall around a provider's process: what the operating system keeps from it, whatever code runs in there. It is made before Node
 * starts, by programs of the distribution, and can only be made tighter afterwards.
 */

export const WALLS = ["bubblewrap", "landlock", "none"] as const;
export type WallName = (typeof WALLS)[number];

/** The programs that walls and limits are made of, by what is to be found where. */
export const PROGRAMS = ["bwrap", "setpriv", "prlimit", "choom"] as const;
export type Program = (typeof PROGRAMS)[number];
/** Absolute paths; absent: it is not installed. */
export type Programs = Readonly<Partial<Record<Program, string>>>;

/** All that a provider's process may read, as absolute paths without links in them. */
export interface Readable {
  /** Node's executable, first, and the shared libraries that it was linked with, under each name that the loader uses. */
  readonly executable: readonly string[];
  readonly files: readonly string[];
  /** Folders, with everything below them. */
  readonly folders: readonly string[];
}

/** One way of building a wall. Pure: it says what to start. */
export interface WallKind {
  readonly name: WallName;
  /** What it is made of; without these it cannot be built. */
  readonly needs: readonly Program[];
  /** For people: what it keeps from the process. */
  readonly keeps: string;
  /** Node's own arguments that it needs, before those of the program. */
  readonly nodeArguments: readonly string[];
  /** The descriptor at which the process is given the seccomp filter, open for reading. */
  readonly filterDescriptor?: number;
  /** @returns the words before Node's */
  command(programs: Programs, context: WallContext): string[];
}

export interface WallContext {
  readonly readable: Readable;
  /** Path of the seccomp filter. */
  readonly filter: string;
  /** The host has CAP_SETPCAP. */
  readonly mayDropBounds: boolean;
}
