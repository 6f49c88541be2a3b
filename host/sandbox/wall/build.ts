/** Builds a wall: an object that starts processes behind it. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { filterPath } from "./filter-file.ts";
import { limits } from "./limits.ts";
import { readable, readableForNative } from "./readable.ts";
import type { NativeAccess, Programs, WallKind, WallName } from "./wall.ts";

export interface Wall {
  readonly name: WallName;
  /** For people: what the wall prevents, and which limits are missing. */
  readonly detail: string;
  /**
   * Starts Node behind the wall: no environment, working folder `/`, stderr a pipe, descriptor 3 the link to the host.
   * @param nodeArguments Node's flags, the program and its arguments
   * @param memoryBytes the memory limit of the process, in bytes, without the address space that Node reserves
   */
  start(nodeArguments: readonly string[], memoryBytes: number): ChildProcess;
  /**
   * Starts Node behind the wall with a program that loads the native code of a vendor: with the libraries of the system and the granted
   * access, without a filter of system calls.
   * @param program its file; its folder is readable
   */
  startNative(program: string, access: NativeAccess): ChildProcess;
  /** @returns how a process behind the wall ended: the signal, or the exit code */
  endOf(code: number | null, signal: NodeJS.Signals | null): string;
}

/** The memory limit of native code, in bytes. SoftHSM and the clients of HSMs use a few MiB. */
const NATIVE_MEMORY = 256 << 20;

/** @param programs must include the programs that the kind needs */
export function build(kind: WallKind, programs: Programs): Wall {
  const filter = filterPath(process.arch === "arm64" ? "arm64" : "x64");
  const mayDropBounds = hasSetpcap();
  const command = kind.command(programs, { readable: readable(), filter, mayDropBounds });
  return {
    name: kind.name,
    detail: detailOf(kind, programs),
    start(nodeArguments, memoryBytes) {
      const [file = process.execPath, ...words] = [
        ...limits(programs, memoryBytes),
        ...command,
        process.execPath,
        ...kind.nodeArguments,
        ...nodeArguments,
      ];
      // Opened for each process: two processes with one descriptor share its position, and the second would read nothing.
      const given = kind.filterDescriptor === undefined ? [] : [openSync(filter, "r")];
      try {
        const stdio = ["ignore", "ignore", "pipe", "pipe", ...given] as const;
        return spawn(file, words, { cwd: "/", env: {}, stdio: [...stdio] });
      } finally {
        for (const descriptor of given) closeSync(descriptor);
      }
    },
    startNative(program, access) {
      const [file = process.execPath, ...words] = [
        ...limits(programs, NATIVE_MEMORY, access.writes.length > 0),
        ...kind.nativeCommand(programs, { readable: readableForNative(program), access, mayDropBounds }),
        process.execPath,
        ...kind.nodeArguments,
        "--no-warnings",
        program,
      ];
      const stdio = ["ignore", "ignore", "pipe", "pipe"] as const;
      return spawn(file, words, { cwd: "/", env: {}, stdio: [...stdio] });
    },
    endOf: (code, signal) => signal ?? signalOf(code) ?? `exit code ${code}`,
  };
}

/** @returns true if the host has CAP_SETPCAP (capabilities(7), bit 8). Root in a container can lack it. */
function hasSetpcap(): boolean {
  const [, effective = "0"] = /^CapEff:\t([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return (BigInt(`0x${effective}`) & (1n << 8n)) !== 0n;
}

/** bubblewrap exits with 128 plus the number of the signal that ended Node. */
function signalOf(code: number | null): string | undefined {
  const number = (code ?? 0) - 128;
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}

function detailOf({ name, keeps }: WallKind, { prlimit, choom }: Programs): string {
  const missing = [
    ...(prlimit === undefined ? ["prlimit: memory and core dumps are not limited"] : []),
    ...(choom === undefined ? ["choom: the kernel may end the host before it when memory runs out"] : []),
  ];
  return [`${name}: ${keeps}`, ...missing.map((each) => `without ${each}`)].join("; ");
}
