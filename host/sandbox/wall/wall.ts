/**
 * The wall around a provider's process: restrictions of the operating system that hold for any code in the process. Programs of the
 * distribution build it before Node starts; afterwards it can only become stricter.
 */

export const WALLS = ["bubblewrap", "landlock", "none"] as const;
export type WallName = (typeof WALLS)[number];

/** The programs that build walls and set limits. */
export const PROGRAMS = ["bwrap", "setpriv", "prlimit", "choom"] as const;
export type Program = (typeof PROGRAMS)[number];
/** Absolute paths by program; absent if it is not installed. */
export type Programs = Readonly<Partial<Record<Program, string>>>;

/** The files that a provider's process can read, as absolute paths. */
export interface Readable {
  /** Node's executable, then its shared libraries under each name that the loader uses. */
  readonly executable: readonly string[];
  readonly files: readonly string[];
  /** Folders, with everything below them. */
  readonly folders: readonly string[];
}

/** One kind of wall. Pure: it returns the command to run. */
export interface WallKind {
  readonly name: WallName;
  /** The programs that it requires. */
  readonly needs: readonly Program[];
  /** For people: what it prevents. */
  readonly keeps: string;
  /** Arguments of Node that it requires, before those of the program. */
  readonly nodeArguments: readonly string[];
  /** The descriptor on which the process gets the seccomp filter, open for reading. */
  readonly filterDescriptor?: number;
  /** @returns the command words before Node's executable */
  command(programs: Programs, context: WallContext): string[];
  /** @returns the same for a process that runs the native code of a vendor: without a filter of system calls, which it would not pass */
  nativeCommand(programs: Programs, context: NativeContext): string[];
}

/** The resources of the machine that native code may use. Paths are absolute. */
export interface NativeAccess {
  /** Files and folders, with everything below them. */
  readonly reads: readonly string[];
  /** Folders whose files it may read, create and change. */
  readonly writes: readonly string[];
  /** Sockets to other machines. Only bubblewrap can deny them. */
  readonly network: boolean;
}

export interface NativeContext {
  readonly readable: Readable;
  readonly access: NativeAccess;
  readonly mayDropBounds: boolean;
}

export interface WallContext {
  readonly readable: Readable;
  /** The path of the seccomp filter. */
  readonly filter: string;
  /** True if the host has CAP_SETPCAP. */
  readonly mayDropBounds: boolean;
}
