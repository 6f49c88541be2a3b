/**
 * The one rule for files that hold secrets (docs/running.md, "Files that hold secrets"):
 *
 * - The file, the links that lead to it and every folder on the way belong to root or to the user of this process, and nobody else may
 *   write them: who writes a secret says who the host is. A folder of all users with the sticky bit (/tmp, the mount of a Kubernetes
 *   Secret) passes, because there nobody replaces what belongs to root or to this user.
 * - Users outside of the file's group may not read it. The group may, where it is root's or one that this process is in: so come
 *   systemd's credentials (0440, the ACL shows as the group), a Kubernetes Secret with fsGroup, and Vault Agent's sinks (0640).
 * - A group whose members may call the host, because a socket is theirs, reads no secrets: who may ask for a key does not have it.
 */
import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { join, resolve, sep } from "node:path";
import { FileFault, readRegular, systemFault } from "./files.ts";
import { groupIdOf } from "./groups.ts";

/**
 * "own": the host made it itself, so it is a file of mode 0600 and not a link. "given": the rule. "public": others may read it, as a
 * service account's token, which the kubelet projects with mode 0644; it lives for minutes, and is the pod's own.
 */
export type Secrecy = "own" | "given" | "public";

/** Whose the process is. */
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

/** Of the whole process, as its user is: whoever reads a secret is held to them. */
let callers: readonly number[] = [];

/** Says which sockets a group may call the host on: no secret may be that group's to read from then on. */
export function denyCallersSecrets(sockets: readonly CallerSocket[]): void {
  callers = sockets.flatMap(({ mode, group }) => {
    // connect(2) needs the right to write
    if ((mode & 0o020) === 0) return [];
    const id = group === undefined ? process.getegid?.() : groupIdOf(group);
    return id === undefined ? [] : [id];
  });
}

/** As the kernel does (path_resolution(7)). */
const MAX_LINKS = 40;
const STICKY = 0o1000;

/**
 * Reads a whole file that holds a secret.
 * @returns bytes in memory of their own, for the caller to fill with zeros
 */
export function readSecretFile(
  path: string,
  maxBytes: number,
  secrecy: Secrecy,
  self = ownIdentity(),
): Buffer | FileFault {
  const followLinks = secrecy !== "own";
  // Node takes "a/link/.." for "a", the kernel does not: what is read is what is looked at.
  const absolute = resolve(path);
  // First: a file that cannot be read at all is told as that.
  const content = readRegular(absolute, maxBytes, {
    followLinks,
    faultOf: (status) => ownerFault(status, self) ?? modeFault(status, secrecy, self),
  });
  if (content instanceof FileFault) return content;
  const fault = wayFault(absolute, self);
  if (fault === undefined) return content;
  content.fill(0);
  return fault;
}

function ownIdentity(): Identity {
  // Linux has all three.
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
  const fault = (said: string, remedy: string) =>
    new FileFault("exposed", `has the mode ${actual}, ${said}`, remedy);
  if (secrecy === "public")
    return bits & 0o022 ? fault("others may write it", "it should be 0644 or less") : undefined;
  if (secrecy === "own")
    return bits & 0o077 ? fault("others may have read it", "it should be 0600") : undefined;
  if (bits & 0o037) return fault("others may have read it", "it should be 0600, 0640 or 0440");
  if (bits & 0o040 && !isOwnGroup(gid, self))
    return fault(`the group ${gid} may read it, which is not the host's`, "it should be 0600 or 0400");
  if (bits & 0o040 && isCallers(gid, self))
    return fault(
      `the group ${gid} may read it, and may call the host on its socket`,
      "it should be 0600 or 0400, or of another group that only the host is in",
    );
  return undefined;
}

/** Walks to the file as the kernel does, and looks at every folder and link on the way. */
function wayFault(path: string, self: Identity): FileFault | undefined {
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

/** Whether somebody else may replace what stands in this folder. */
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

/** Not root's: systemd's credentials are its, and a folder that only the unit reaches keeps them. */
function isCallers(gid: number, { callers = [] }: Identity): boolean {
  return gid !== 0 && callers.includes(gid);
}

function isOwnGroup(gid: number, { gid: own, groups }: Identity): boolean {
  return gid === 0 || gid === own || groups.includes(gid);
}

/**
 * The group that many systems make for each user, with the same number and nobody else in it, unless it is let call the host. Not root's: where a folder has an ACL, the
 * group's bits are its mask, and a folder root:root that says 0775 may be anybody's to write.
 */
function isPrivateGroup(gid: number, self: Identity): boolean {
  return gid !== 0 && gid === self.uid && gid === self.gid && !isCallers(gid, self);
}
