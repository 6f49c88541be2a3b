/** Refuses a combination that cannot run. */
import { KleidiError } from "../error.ts";
import { quote } from "../lib/text.ts";

/**
 * @param form the name of the form, such as "static-pod"
 * @param reasons each names the setting, why it cannot work there, and the remedy
 * @throws KleidiError render-refused, if there are reasons
 */
export function refuseIf(form: string, reasons: readonly string[]): void {
  if (reasons.length === 0) return;
  throw new KleidiError("render-refused", `Cannot render ${form}: ${[...new Set(reasons)].join("; ")}`);
}

/** Folders that other programs use too: mounting or owning one would give kleidí more than its own files. */
const SHARED = new Set(
  [
    "/",
    "/etc",
    "/etc/kubernetes",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/root",
    "/run",
    "/srv",
    "/tmp",
    "/usr",
  ].concat(["/usr/lib", "/usr/local", "/var", "/var/cache", "/var/lib", "/var/log", "/var/run", "/var/tmp"]),
);
const KERNEL = /^\/(bin|boot|dev|lib|lib64|proc|sbin|sys)(\/|$)/;

/** @returns a reason for each folder that is not for kleidí alone */
export function sharedFolders(folders: readonly string[]): string[] {
  return folders
    .filter((folder) => SHARED.has(folder) || KERNEL.test(folder))
    .map(
      (folder) =>
        `${quote(folder)} is a folder of the system: move kleidí's files into a folder of their own`,
    );
}
