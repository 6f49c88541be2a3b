/**
 * A listening socket from the service manager (sd_listen_fds(3), systemd.socket(5)) or from kleidi hold, which holds it open while the host
 * restarts: callers that come meanwhile wait in its queue and are refused by nobody.
 */
import { readFileSync } from "node:fs";
import { KleidiError } from "../error.ts";

/** SD_LISTEN_FDS_START */
const FIRST = 3;
/** The columns of /proc/net/unix: address, references, protocol, flags, type, state, inode, path (proc_net(5)). */
const FLAGS = 3;
const INODE = 6;
const PATH = 7;
/** __SO_ACCEPTCON: the socket listens. */
const LISTENS = 0x10000;

export interface Environment {
  readonly LISTEN_PID?: string | undefined;
  readonly LISTEN_FDS?: string | undefined;
  /** The process id of kleidi hold, which cannot know that of its child in time. */
  readonly KLEIDI_HOLDER?: string | undefined;
  /** The path of the socket that kleidi hold bound. It was renamed since, and the kernel has the former one. */
  readonly KLEIDI_SOCKET?: string | undefined;
}

/** True if kleidi hold started this process. Its own children inherit the variables and have another parent. */
export function isHeld({ KLEIDI_HOLDER: holder }: Environment): boolean {
  return holder === String(process.ppid);
}

/**
 * @param socket the path that the configuration names; a socket that listens elsewhere is refused
 * @param environment of this process
 * @returns the descriptor; undefined if none was passed to this process
 * @throws KleidiError socket-refused
 */
export function passedSocket(socket: string, environment: Environment): number | undefined {
  const { LISTEN_PID: pid, LISTEN_FDS: count, KLEIDI_SOCKET: held } = environment;
  if (isHeld(environment)) return heldSocket(socket, held);
  if (pid !== String(process.pid) || count === undefined) return undefined;
  const action = `Cannot listen on ${socket}`;
  if (count !== "1")
    throw new KleidiError(
      "socket-refused/passed",
      `${action}: the service manager passed ${count} sockets, and 1 is expected`,
    );
  const path = listeningPath(FIRST);
  if (path === socket) return FIRST;
  throw new KleidiError(
    "socket-refused/passed",
    `${action}: the service manager passed ${path === undefined ? "something that is not a listening Unix socket" : `a socket on ${path}`}`,
  );
}

function heldSocket(socket: string, held: string | undefined): number {
  if (held === socket && listeningPath(FIRST) !== undefined) return FIRST;
  throw new KleidiError(
    "socket-refused/held",
    `Cannot listen on ${socket}: kleidi hold passed ${held === socket ? "something that is not a listening Unix socket" : `a socket on ${held}`}`,
  );
}

/** @returns the path that a descriptor was bound to; undefined if it is not a listening Unix socket with a path */
export function listeningPath(descriptor: number): string | undefined {
  const inode = /^ino:\t(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8"))?.[1];
  for (const line of readFileSync("/proc/self/net/unix", "utf8").split("\n")) {
    const columns = line.split(/ +/);
    if (columns[INODE] !== inode || inode === undefined) continue;
    if ((Number.parseInt(columns[FLAGS] ?? "0", 16) & LISTENS) === 0) return undefined;
    // The path may have spaces.
    const path = columns.slice(PATH).join(" ");
    return path === "" || path.startsWith("@") ? undefined : path;
  }
  return undefined;
}
