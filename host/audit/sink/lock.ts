/**
 * One host for one log: two would each continue the chain from the same line. The lock is a Unix socket beside the file that its
 * owner listens on. The kernel knows whether somebody does, over PID and network namespaces, and after a SIGKILL nobody does: so no
 * lock outlives its owner, as one with a process number in a file would.
 */
import { randomBytes } from "node:crypto";
import { closeSync, linkSync, lstat, lstatSync, openSync, renameSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { KleidiError } from "../../error.ts";

const standing = promisify(lstat);
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

  /** @throws KleidiError audit-invalid, another host has it */
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
            "audit-invalid",
            `Cannot open the audit log ${file}: another host writes to it (it listens on ${path})`,
          );
        removeStale(path, stale, `${own}.old`);
      }
      throw new KleidiError(
        "audit-invalid",
        `Cannot lock the audit log ${file}: ${path} is taken again and again`,
      );
    } catch (error) {
      server.close();
      throw error;
    } finally {
      unlinkSync(own);
    }
  }

  /** Whether the lock is still this one: somebody may have removed the file. */
  async isHeld(): Promise<boolean> {
    return await standing(this.#path).then(
      ({ ino }) => ino === this.#inode,
      () => false,
    );
  }

  release(): void {
    this.#server.close();
    try {
      if (inodeOf(this.#path) === this.#inode) unlinkSync(this.#path);
    } catch {
      // the folder may not be ours any more: a socket that nobody listens on is no lock
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

/** Moves away before it removes: what another starter put there in the meantime is put back. */
function removeStale(path: string, stale: number, aside: string): void {
  try {
    renameSync(path, aside);
    if (inodeOf(aside) !== stale) linked(aside, path);
    unlinkSync(aside);
  } catch (error) {
    // another starter was faster
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function inodeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.ino ?? 0;
}

/** The address of a socket has room for 108 bytes: the folder is named by a descriptor, so that its path may be longer. */
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
      // what is there may be anything: only a refusal says that nobody listens
      socket.once("error", ({ code }: NodeJS.ErrnoException) =>
        resolve(code !== "ECONNREFUSED" && code !== "ENOENT" && code !== "ENOTSOCK"),
      );
    });
  });
}
