/**
 * Locks a log to one host: two hosts would both continue the chain from the same line. The lock is a Unix socket beside the file on which
 * its owner listens. The kernel knows whether a process listens, across PID and network namespaces, and a killed process does not. So no
 * lock outlives its owner, unlike a file with a process id.
 */
import { randomBytes } from "node:crypto";
import { closeSync, linkSync, lstat, lstatSync, openSync, renameSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { KleidiError } from "../../error.ts";

const statPath = promisify(lstat);
const TRIES = 5;

export class Lock {
  readonly #path: string;
  readonly #inode: number;
  readonly #server: Server;

  private constructor(path: string, inode: number, server: Server) {
    this.#path = path;
    this.#inode = inode;
    this.#server = server;
  }

  /** @throws KleidiError audit-invalid if another host has the lock */
  static async take(file: string): Promise<Lock> {
    const name = `.${basename(file)}.lock`;
    const path = join(dirname(file), name);
    const mine = `${name}.${randomBytes(6).toString("hex")}`;
    const server = await listen(dirname(file), mine);
    const own = join(dirname(file), mine);
    try {
      for (let i = 0; i < TRIES; i++) {
        if (linked(own, path)) return new Lock(path, inodeOf(own), server);
        const stale = inodeOf(path);
        if (await answers(dirname(file), name))
          throw new KleidiError(
            "audit-invalid/in-use",
            `Cannot open the audit log ${file}: another host writes to it (it listens on ${path})`,
          );
        removeStale(path, stale, `${own}.old`);
      }
      throw new KleidiError(
        "audit-invalid/in-use",
        `Cannot lock the audit log ${file}: ${path} keeps being taken by other processes`,
      );
    } catch (error) {
      server.close();
      throw error;
    } finally {
      unlinkSync(own);
    }
  }

  /** True if the file of the lock is still this one: another process may have removed it. */
  async isHeld(): Promise<boolean> {
    return await statPath(this.#path).then(
      ({ ino }) => ino === this.#inode,
      () => false,
    );
  }

  release(): void {
    this.#server.close();
    try {
      if (inodeOf(this.#path) === this.#inode) unlinkSync(this.#path);
    } catch {
      // the folder may be inaccessible by now: a socket on which no process listens is not a lock
    }
  }
}

function linked(own: string, path: string): boolean {
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Renames before it removes: a lock that another starting host created meanwhile is restored. */
function removeStale(path: string, stale: number, aside: string): void {
  try {
    renameSync(path, aside);
    if (inodeOf(aside) !== stale) linked(aside, path);
    unlinkSync(aside);
  } catch (error) {
    // another starting host was faster
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function inodeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.ino ?? 0;
}

/** A socket address holds at most 108 bytes: the folder is addressed by a descriptor, so that its path can be longer. */
async function inFolder<T>(folder: string, name: string, work: (address: string) => Promise<T>): Promise<T> {
  const descriptor = openSync(folder, "r");
  try {
    return await work(`/proc/self/fd/${descriptor}/${name}`);
  } finally {
    closeSync(descriptor);
  }
}

function listen(folder: string, name: string): Promise<Server> {
  return inFolder(folder, name, (address) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(address, () => resolve(server));
    });
  });
}

function answers(folder: string, name: string): Promise<boolean> {
  return inFolder(folder, name, (address) => {
    return new Promise((resolve) => {
      const socket = connect(address);
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      // the path may be anything: only these errors prove that no process listens
      socket.once("error", ({ code }: NodeJS.ErrnoException) =>
        resolve(code !== "ECONNREFUSED" && code !== "ENOENT" && code !== "ENOTSOCK"),
      );
    });
  });
}
