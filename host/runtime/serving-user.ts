/**
 * Root checks with the rights of the user that serves. The owner of the folders that only the host uses is that user. As root, a check
 * would pass files that the service cannot read, and refuse the service's own ones.
 */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import type { Config } from "../config/config.ts";
import type { Finding } from "../finding.ts";

export interface Owner {
  readonly folder: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Gives up root's rights for those of the serving user, if this process is root and the folder of the keys, of the state or of the socket
 * belongs to another user. This cannot be undone: read before what only root may read, and load the configuration again after it.
 * @returns a finding that names the user; none if nothing has changed
 * @example const findings = becomeServingUser(loadConfig(path));
 */
export function becomeServingUser(config: Config): Finding[] {
  const { keystore, state, listen } = config;
  const owner = becomeOwner([keystore?.directory, state?.directory, dirname(listen.socket)]);
  if (owner === undefined) return [];
  const detail = `checked with the rights of the uid ${owner.uid}, which owns ${owner.folder}, and not with root's`;
  return [{ subject: "user", ok: true, detail }];
}

/**
 * Gives up root's rights for those of the owner of a folder, so that the files that are created in it belong to that user. Without root's
 * rights, or in root's own folder, nothing is changed.
 * @param folders the first one that exists decides, so that a wrong owner of another one is found
 * @returns the owner; undefined if nothing was changed
 */
export function becomeOwner(folders: readonly (string | undefined)[]): Owner | undefined {
  const owner = process.geteuid?.() === 0 ? ownerOf(folders) : undefined;
  if (owner !== undefined) become(owner);
  return owner;
}

function ownerOf(folders: readonly (string | undefined)[]): Owner | undefined {
  for (const folder of folders) {
    const found = folder === undefined ? undefined : statSync(folder, { throwIfNoEntry: false });
    if (folder === undefined || found === undefined) continue;
    return found.uid === 0 ? undefined : { folder, uid: found.uid, gid: found.gid };
  }
  return undefined;
}

/** Missing in the types of Node. */
const { initgroups } = process as { initgroups?: (user: number, extraGroup: number) => void };

function become({ uid, gid }: Owner): void {
  try {
    initgroups?.(uid, gid);
  } catch {
    // The user has no entry in /etc/passwd, as in a container.
    process.setgroups?.([gid]);
  }
  process.setgid?.(gid);
  process.setuid?.(uid);
}
