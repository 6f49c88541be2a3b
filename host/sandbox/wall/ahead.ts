/**
 * Starts the first process of a provider before its module is known: Node starts while the wall is tried and the host does the rest of its
 * work. Such a process runs our program only, and waits for a module; it gets one from a host whose wall has held.
 */
import type { ChildProcess } from "node:child_process";
import type { Duplex } from "node:stream";
import type { Wall } from "./build.ts";

/** The arguments of Wall.start. */
export interface StartArguments {
  readonly nodeArguments: readonly string[];
  readonly memoryBytes: number;
}

/** A wall whose first start with these arguments takes the process that is there. */
export interface AheadWall extends Wall {
  /** Ends the process if no start has taken it. */
  dismiss(): void;
}

/** Starts a process at once. */
export function startAhead(wall: Wall, { nodeArguments, memoryBytes }: StartArguments): AheadWall {
  let waiting: ChildProcess | undefined = wall.start(nodeArguments, memoryBytes);
  const forget = () => {
    waiting = undefined;
  };
  waiting.once("error", forget).once("exit", forget);
  // A process that ends closes its link.
  linkOf(waiting)?.on("error", () => {});
  return {
    ...wall,
    start(otherArguments, otherBytes) {
      const isSame = otherBytes === memoryBytes && otherArguments.join("\0") === nodeArguments.join("\0");
      const taken = isSame ? waiting : undefined;
      if (taken === undefined) return wall.start(otherArguments, otherBytes);
      taken.off("error", forget).off("exit", forget);
      waiting = undefined;
      return taken;
    },
    dismiss() {
      // The program ends with its link. SIGKILL could leave a child of bubblewrap that still builds the wall.
      if (waiting !== undefined) linkOf(waiting)?.destroy();
      waiting?.stderr?.destroy();
      waiting?.unref();
      waiting = undefined;
    },
  };
}

function linkOf({ stdio }: ChildProcess): Duplex | undefined {
  // If no descriptor is left, spawn returns no stdio.
  return (stdio as unknown as (Duplex | null | undefined)[] | undefined)?.[3] ?? undefined;
}
