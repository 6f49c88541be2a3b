/** The identity of this program: for a bug report, and to compare two nodes. */
import { ABI } from "../host-call.ts";
import { EXIT, print } from "./output.ts";

/** The members of package.json that identify the program. */
export interface Manifest {
  readonly version: string;
  /** The commit, as `npm run dist` writes it; a checkout has none. */
  readonly gitHead?: string;
}

/** @returns one line for each fact, the version first */
export function versionText(manifest: Manifest): string {
  const { version, commit, node, abi, platform } = identityOf(manifest);
  const built = commit ?? "unknown: not a package of npm run dist";
  return [version, `commit ${built}`, `Node ${node}`, `ABI ${abi}`, `platform ${platform}`].join("\n");
}

/** Prints the version, the commit, the version of Node, the ABI and the platform. */
export function versionCommand(manifest: Manifest, { json }: { readonly json: boolean }): number {
  print(json ? JSON.stringify(identityOf(manifest), null, 2) : versionText(manifest));
  return EXIT.SUCCESS;
}

function identityOf({ version, gitHead }: Manifest) {
  const platform = `${process.platform}-${process.arch}`;
  return { version, commit: gitHead ?? null, node: process.versions.node, abi: ABI, platform };
}
