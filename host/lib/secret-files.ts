/**
 * Checks files that hold secrets (docs/operate/credentials.md, "Files that hold secrets"):
 *
 * - The file, the links that lead to it and every folder on the path belong to root or to the user of this process, and nobody else may
 *   write them: anyone who can write a secret can change the identity of the host. A world-writable folder with the sticky bit (/tmp,
 *   the mount of a Kubernetes Secret) is allowed, because other users cannot replace files of root or of this user in it.
 * - Users outside the file's group may not read it. The group may read it if it is root's group or a group of this process. This allows
 *   systemd's credentials (0440, the ACL shows as the group), a Kubernetes Secret with fsGroup, and Vault Agent's sinks (0640).
 * - A group whose members may call the host on a socket may not read secrets: a caller uses a key but must not have it.
 */
import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { join, resolve, sep } from "node:path";
import { FileFault, readRegular, systemFault } from "./files.ts";
import { groupIdOf } from "./groups.ts";

/**
 * - "own": the host created the file, so it must have mode 0600 and must not be a link.
 * - "given": the rule above.
 * - "public": others may read the file. For a service account token, which the kubelet projects with mode 0644; it is valid for minutes
 *   and belongs to the pod.
 */
export type Secrecy = "own" | "given" | "public";

/** The user and the groups of a process. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** Groups that may connect to a socket of the host. */
  readonly callers?: readonly number[];
}

/** A Unix socket that the host listens on. */
export interface CallerSocket {
  readonly mode: number;
  readonly group?: string | number | undefined;
}

/** Process-wide, like the user id: applies to every secret that is read. */
let callers: readonly number[] = [];

/**
 * Registers the host's sockets. From then on, a secret that a group with access to one of them may read is refused.
 * @param sockets replaces the sockets of an earlier call
 */
export function denyCallersSecrets(sockets: readonly CallerSocket[]): void {
  callers = sockets.flatMap(({ mode, group }) => {
    // connect(2) needs write permission
    if ((mode & 0o020) === 0) return [];
    const id = group === undefined ? process.getegid?.() : groupIdOf(group);
    return id === undefined ? [] : [id];
  });
}

/** The kernel's own limit (path_resolution(7)). */
const MAX_LINKS = 40;
const STICKY = 0o1000;

/**
 * Reads a whole file that holds a secret.
 * @param maxBytes the size limit; a larger file is not read
 * @param secrecy the permissions that the file may have
 * @param self the user and groups to check against; by default those of this process
 * @returns bytes in memory of their own, which the caller fills with zeros; a FileFault if the file is unsafe or cannot be read
 * @example
 *     const token = readSecretFile("/run/credentials/kleidi/token", 4096, "given");
 *     if (token instanceof FileFault) throw new Error(`the token ${token.text}`);
 */
export function readSecretFile(
  path: string,
  maxBytes: number,
  secrecy: Secrecy,
  self = ownIdentity(),
): Buffer | FileFault {
  const followLinks = secrecy !== "own";
  // Node resolves "a/link/.." to "a", the kernel does not: the same path must be read and checked.
  const absolute = resolve(path);
  // Read first: for an unreadable file, that is the fault to report.
  const content = readRegular(absolute, maxBytes, {
    followLinks,
    faultOf: (status) => ownerFault(status, self) ?? modeFault(status, secrecy, self),
  });
  if (content instanceof FileFault) return content;
  const fault = pathFault(absolute, self);
  if (fault === undefined) return content;
  content.fill(0);
  return fault;
}

function ownIdentity(): Identity {
  // Linux has all three functions.
  return {
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    groups: process.getgroups?.() ?? [],
    callers,
  };
}

function ownerFault({ uid }: Stats, self: Identity): FileFault | undefined {
  if (isTrusted(uid, self)) return undefined;
  const what = `belongs to the user with the uid ${uid}, who may write it`;
  const remedy =
    self.uid === 0
      ? "run this as that user, or give it to root with chown"
      : `give it to root or to the uid ${self.uid} with chown`;
  return new FileFault("exposed", what, remedy);
}

function modeFault({ mode, gid }: Stats, secrecy: Secrecy, self: Identity): FileFault | undefined {
  const bits = mode & 0o777;
  const actual = bits.toString(8).padStart(4, "0");
  const fault = (exposure: string, remedy: string) =>
    new FileFault("exposed", `has the mode ${actual}, ${exposure}`, remedy);
  if (secrecy === "public")
    return bits & 0o022 ? fault("others may write it", "it should be 0644 or less") : undefined;
  if (secrecy === "own")
    return bits & 0o077 ? fault("others may have read it", "it should be 0600") : undefined;
  if (bits & 0o037) return fault("others may have read it", "it should be 0600, 0640 or 0440");
  if (bits & 0o040 && !isOwnGroup(gid, self))
    return fault(`the group ${gid} may read it, which is not the host's`, "it should be 0600 or 0400");
  if (bits & 0o040 && isCallerGroup(gid, self))
    return fault(
      `the group ${gid} may read it, and may call the host on its socket`,
      "it should be 0600 or 0400, or of another group that only the host is in",
    );
  return undefined;
}

/** Resolves the path as the kernel does, and checks every folder and link on it. */
function pathFault(path: string, self: Identity): FileFault | undefined {
  const left = partsOf(path);
  let at = "/";
  let links = 0;
  try {
    for (let folder = lstatSync(at); left.length > 0; ) {
      const name = left.shift() ?? "";
      const next = join(at, name);
      const status = lstatSync(next);
      const fault = folderFault(at, folder, status, self);
      if (fault !== undefined) return fault;
      if (status.isSymbolicLink()) {
        links += 1;
        if (links > MAX_LINKS)
          return new FileFault("link", `is behind more than ${MAX_LINKS} links`, "name the file itself");
        left.unshift(...partsOf(resolve(at, readlinkSync(next))));
        at = "/";
        folder = lstatSync(at);
      } else {
        at = next;
        folder = status;
      }
    }
    return undefined;
  } catch (error) {
    return systemFault(path, error);
  }
}

/** Checks that no other user can replace `entry` in this folder. */
function folderFault(folder: string, status: Stats, entry: Stats, self: Identity): FileFault | undefined {
  const { uid, gid, mode } = status;
  if (!isTrusted(uid, self))
    return new FileFault(
      "exposed",
      `is in ${folder}, which belongs to the user with the uid ${uid}, who may replace it`,
      "give that folder to root or to the user of the host",
    );
  const writers = (mode & 0o020 && !isPrivateGroup(gid, self)) || mode & 0o002;
  if (!writers || (mode & STICKY && isTrusted(entry.uid, self))) return undefined;
  const actual = (mode & 0o7777).toString(8).padStart(4, "0");
  return new FileFault(
    "exposed",
    `is in ${folder}, whose mode is ${actual}, so others may replace it`,
    `chmod go-w ${folder}`,
  );
}

function partsOf(path: string): string[] {
  return path.split(sep).filter((part) => part !== "");
}

function isTrusted(uid: number, self: Identity): boolean {
  return uid === 0 || uid === self.uid;
}

/** False for root's group: systemd's credentials belong to it, in a folder that only the unit can enter. */
function isCallerGroup(gid: number, { callers = [] }: Identity): boolean {
  return gid !== 0 && callers.includes(gid);
}

function isOwnGroup(gid: number, { gid: own, groups }: Identity): boolean {
  return gid === 0 || gid === own || groups.includes(gid);
}

/**
 * True for the private group that many systems create for each user (same id, no other members), unless it may call the host. False for
 * root's group: the group bits of a folder with an ACL are its mask, so anybody may be able to write to a folder root:root of mode 0775.
 */
function isPrivateGroup(gid: number, self: Identity): boolean {
  return gid !== 0 && gid === self.uid && gid === self.gid && !isCallerGroup(gid, self);
}
