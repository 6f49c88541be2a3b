/** Renders the users and folders of a node: sysusers.d and tmpfiles.d. */
import type { Config } from "../config/config.ts";
import { unitWord, unwritable } from "./escape.ts";
import { socketFolders } from "./footprint.ts";
import { refuseIf } from "./refusal.ts";
import { type Rendered, type RenderInput, rootFile } from "./rendered.ts";

/** The user and group of a kleidí in a container, as numbers: a container has no names. */
export const POD_USER = 65_532;

/**
 * @param user the owner of the folders: the name "kleidi" for a service, a number for a pod
 * @returns the two files and the commands that apply them
 * @throws KleidiError render-refused
 */
export function renderLayout({ config, footprint }: RenderInput, user: "kleidi" | typeof POD_USER): Rendered {
  const all = [...footprint.writes, ...socketFolders(config).map(({ folder }) => folder)];
  refuseIf("the folders of the node", unwritable(all));
  const files = [
    rootFile("/etc/sysusers.d/kleidi.conf", lines(users(config, user))),
    rootFile("/etc/tmpfiles.d/kleidi.conf", lines(folders(config, footprint.writes, user))),
  ];
  return {
    files,
    commands: ["systemd-sysusers kleidi.conf", "systemd-tmpfiles --create kleidi.conf"],
    notes: [],
  };
}

function users(config: Config, user: string | number): string[] {
  const id = typeof user === "number" ? user : "-";
  const groups = new Set(socketFolders(config).map(({ group }) => group));
  return [
    `u kleidi ${id} "kleidi KMS plugin" - -`,
    ...[...groups].flatMap((group) => (typeof group === "string" ? groupLines(group) : [])),
  ];
}

function groupLines(group: string): string[] {
  return group === "root" || group === "kleidi" ? [] : [`g ${group} -`, `m kleidi ${group}`];
}

function folders(config: Config, writes: readonly string[], user: string | number): string[] {
  const sockets = socketFolders(config);
  const entered = new Set(sockets.map(({ folder }) => folder));
  return [
    ...parents([config.file], "/etc/kleidi", user),
    ...parents(writes, "/var/lib/kleidi", user),
    ...writes
      .filter((folder) => !entered.has(folder))
      .map((folder) => `d ${unitWord(folder)} 0700 ${user} ${user} -`),
    ...sockets.map(
      ({ folder, group = user }) =>
        // set-gid: new files in the folder belong to the group that may enter it
        `d ${unitWord(folder)} ${group === user ? "0750" : "2750"} ${user} ${group} -`,
    ),
  ];
}

/** The line for a standard folder of kleidí, if it contains one of the paths. */
function parents(paths: readonly string[], folder: string, user: string | number): string[] {
  const isParent = !paths.includes(folder) && paths.some((path) => path.startsWith(`${folder}/`));
  return isParent ? [`d ${folder} 0750 root ${user} -`] : [];
}

function lines(all: readonly string[]): string {
  return `${all.join("\n")}\n`;
}
