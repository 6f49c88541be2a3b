/**
 * The Unix socket. It is bound under another name, gets its mode and group, and is then renamed. So it can never be reached with a
 * wrong mode, and an old socket is replaced without a gap.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  lstatSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
} from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import { type FaultName, KleidiError } from "../error.ts";
import { groupIdOf } from "../lib/groups.ts";
import { accessFault, pathErrorText } from "../lib/path-fault.ts";
import { listeningPath } from "./passed-socket.ts";
import { lockSocket } from "./socket-lock.ts";

export interface ListenOptions {
  readonly socket: string;
  readonly mode: number;
  readonly group?: string | number;
}

export interface Listener {
  readonly server: Server;
  /** False if the socket was removed or replaced: no caller reaches this listener any more. */
  isInPlace(): boolean;
  /** Stops accepting connections, and removes the socket if it is still the one that this listener bound. */
  close(): void;
}

// sockaddr_un holds 108 bytes with the terminating zero (unix(7)).
const MAX_PATH = 107;

/**
 * Listens on a Unix socket.
 * @param onConnection called with a paused socket
 * @throws KleidiError socket-refused
 */
export async function listen(
  options: ListenOptions,
  onConnection: (socket: Socket) => void,
): Promise<Listener> {
  const { socket } = options;
  const action = `Cannot listen on ${socket}`;
  assertBindable(options);
  // Without the lock, two hosts that start at once would both find a dead socket and both replace it.
  const unlock = lockSocket(socket, action);
  try {
    await assertFree(socket, action);
    const server = await bind(options, action, onConnection);
    const { ino, dev } = lstatSync(socket);
    // While the server listens, the kernel does not give its inode to another file.
    const isInPlace = () => {
      const found = statusOf(socket);
      return found?.ino === ino && found.dev === dev;
    };
    return {
      server,
      isInPlace,
      close() {
        const isOurs = isInPlace();
        server.close();
        if (isOurs) unlinkSync(socket);
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

/**
 * Listens on a socket that the service manager bound and holds: it is neither locked nor removed here.
 * @param descriptor of the socket, see passed-socket.ts
 * @param onConnection called with a paused socket
 * @throws KleidiError socket-refused
 */
export async function listenOnPassed(
  { socket }: ListenOptions,
  descriptor: number,
  onConnection: (socket: Socket) => void,
): Promise<Listener> {
  const server = createServer({ pauseOnConnect: true }, onConnection);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(new KleidiError("socket-refused/passed", `Cannot listen on ${socket}: ${error.message}`, error)),
    );
    server.listen({ fd: descriptor }, resolve);
  });
  server.on("error", () => {});
  const { ino, dev } = lstatSync(socket);
  return {
    server,
    isInPlace() {
      const found = statusOf(socket);
      return found?.ino === ino && found.dev === dev;
    },
    close: () => void server.close(),
  };
}

/**
 * Binds the socket as standard input, the one descriptor that another program in the place of this one gets (process.execve) and does not
 * need. Nothing accepts connections here: they wait in its queue.
 * @throws KleidiError socket-refused
 */
export async function bindAsInput(options: ListenOptions): Promise<void> {
  const { socket } = options;
  const action = `Cannot listen on ${socket}`;
  assertBindable(options);
  const unlock = lockSocket(socket, action);
  try {
    await assertFree(socket, action);
    await openFirstHandle();
    // A new descriptor is the lowest one that is free.
    await bind(
      options,
      action,
      () => {},
      () => closeSync(0),
    );
  } finally {
    unlock();
  }
  if (listeningPath(0) === undefined)
    throw refused("passed", `${action}: it is not the standard input of this process`);
}

/** libuv opens a spare descriptor with the first handle: it must not be the one that the socket is to get. */
async function openFirstHandle(): Promise<void> {
  const none = connect(join("/dev/null", "none"));
  await new Promise<void>((resolve) => none.once("error", () => resolve()));
}

/**
 * Checks everything that `listen` needs, except the lock and another process that serves. Changes nothing.
 * @throws KleidiError socket-refused
 */
export function assertBindable({ socket, group }: ListenOptions): void {
  const action = `Cannot listen on ${socket}`;
  const length = Buffer.byteLength(socket);
  if (length > MAX_PATH)
    throw refused("long", `${action}: its path is ${length} bytes, at most ${MAX_PATH} are allowed`);
  assertFolder(socket, action);
  const fault = accessFault(socket, "create");
  if (fault !== undefined) throw refused("path", `${action}: ${fault}`);
  assertReplaceable(socket, action);
  if (group !== undefined) assertMember(groupId(group, action), action);
}

async function bind(
  { socket, mode, group }: ListenOptions,
  action: string,
  onConnection: (socket: Socket) => void,
  beforeListen = () => {},
): Promise<Server> {
  const staged = join(dirname(socket), `.${process.pid}`);
  // Paused: the guard decides whether a connection is read.
  const server = createServer({ pauseOnConnect: true }, onConnection);
  // Between bind and chmod only the owner may connect.
  const umask = process.umask(0o177);
  try {
    unlinkIfPresent(staged);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      beforeListen();
      server.listen(staged, resolve);
    });
    if (group !== undefined) chownSync(staged, -1, groupId(group, action));
    chmodSync(staged, mode);
    renameSync(staged, socket);
  } catch (error) {
    server.close();
    unlinkIfPresent(staged);
    if (error instanceof KleidiError) throw error;
    const why = pathErrorText(socket, error, "create");
    throw new KleidiError("socket-refused/path", `${action}: ${why}`, error);
  } finally {
    process.umask(umask);
  }
  // Without free descriptors a connection is lost, but the host keeps running.
  server.on("error", () => {});
  return server;
}

function assertFolder(path: string, action: string): void {
  const folder = lstatSync(dirname(path), { throwIfNoEntry: false });
  if (folder === undefined) {
    throw refused(
      "path",
      `${action}: the folder ${dirname(path)} does not exist; create it: install -d -m 0750 ${dirname(path)}`,
    );
  }
  // stat, not lstat: /var/run is a link on most systems.
  if (!statSync(dirname(path)).isDirectory())
    throw refused("occupied", `${action}: ${dirname(path)} is not a directory`);
}

async function assertFree(path: string, action: string): Promise<void> {
  assertReplaceable(path, action);
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return;
  if (await isServed(path)) throw refused("served", `${action}: a process is serving there already`);
}

/** Only a socket of this user may be replaced, once no process listens on it. */
function assertReplaceable(path: string, action: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (found.isSymbolicLink()) throw refused("occupied", `${action}: a symbolic link is there`);
  if (!found.isSocket()) {
    throw refused(
      "occupied",
      `${action}: ${found.isDirectory() ? "a folder" : "a file that is not a socket"} is there`,
    );
  }
  const uid = process.getuid?.();
  if (found.uid !== uid) {
    throw refused(
      "occupied",
      `${action}: the socket there belongs to uid ${found.uid}, this process is uid ${uid}`,
    );
  }
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    const settle = (isLive: boolean) => {
      probe.destroy();
      resolve(isLive);
    };
    probe.once("connect", () => settle(true));
    // Only ECONNREFUSED means that no process listens; any other error can come from a busy server.
    probe.once("error", (error: NodeJS.ErrnoException) => settle(error.code !== "ECONNREFUSED"));
  });
}

function groupId(group: string | number, action: string): number {
  const id = groupIdOf(group);
  if (id !== undefined) return id;
  throw refused("group", `${action}: the group "${group}" is not in /etc/group; use its number instead`);
}

/** Only root and members of a group may give a file to it (chown(2)). */
function assertMember(id: number, action: string): void {
  if (process.geteuid?.() === 0 || process.getegid?.() === id || process.getgroups?.().includes(id)) return;
  const uid = process.geteuid?.();
  throw refused(
    "group",
    `${action}: the uid ${uid} is not in the group ${id}, so it cannot give the socket to it; add it to the group, in a unit: SupplementaryGroups=${id}`,
  );
}

/** Undefined as well if a folder above the path cannot be entered any more. */
function statusOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function unlinkIfPresent(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) unlinkSync(path);
}

type Cause = Extract<FaultName, `socket-refused/${string}`> extends `socket-refused/${infer C}` ? C : never;

function refused(cause: Cause, message: string): KleidiError {
  return new KleidiError(`socket-refused/${cause}`, message);
}
