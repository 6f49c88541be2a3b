/** Checks the files that a grant of a token names, for `kleidi check`. Loads no module. */
import { type Stats, statSync } from "node:fs";
import type { Finding } from "../../finding.ts";
import { FileFault, readRegular, systemFault } from "../../lib/files.ts";
import type { GrantContext } from "../capability.ts";
import { ModuleFailure } from "./failure.ts";
import type { Pkcs11Config } from "./grant.ts";
import { readPinFile } from "./pin.ts";

const HINT =
  "Install the vendor's module, and name the paths that it uses in grants.pkcs11 (docs/operate/pkcs11.md). The user that the host runs as must be able to read them, and no other user the PIN.";
/** Modules of vendors are some MiB. */
const MAX_MODULE = 256 << 20;
const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2]);

export function checkFiles({ grants }: GrantContext<Pkcs11Config>): Finding[] {
  return [...grants].map(([provider, grant]) => checkGrant(provider, grant));
}

export function checkGrant(provider: string, grant: Pkcs11Config): Finding {
  const subject = `pkcs11 ${provider} files`;
  const faults = faultsOf(grant);
  if (faults.length === 0)
    return { subject, ok: true, detail: "the module, the PIN and the granted paths are usable" };
  return { subject, ok: false, detail: faults.join("; "), hint: HINT };
}

function faultsOf({ module, pin, reads, writes }: Pkcs11Config): string[] {
  return [
    ...moduleFaults(module),
    ...pinFaults(pin.file),
    ...reads.flatMap(missing),
    ...writes.flatMap(notFolder),
  ];
}

function moduleFaults(path: string): string[] {
  const content = readRegular(path, MAX_MODULE);
  if (content instanceof FileFault) return [`the module ${path} ${content.text}`];
  if (!content.subarray(0, ELF.length).equals(ELF)) return [`the module ${path} is not a 64-bit ELF file`];
  const { mode, uid } = statSync(path);
  // Who can write it can have the PIN.
  if ((mode & 0o022) !== 0 || (uid !== 0 && uid !== process.geteuid?.()))
    return [`the module ${path} can be written by others (uid ${uid}, mode 0${(mode & 0o777).toString(8)})`];
  return [];
}

function pinFaults(file: string): string[] {
  try {
    readPinFile(file).wipe();
    return [];
  } catch (error) {
    if (error instanceof ModuleFailure) return [error.message];
    throw error;
  }
}

function missing(path: string): string[] {
  const status = statusOf(path);
  return status instanceof FileFault ? [`${path} ${status.text}`] : [];
}

function notFolder(path: string): string[] {
  const status = statusOf(path);
  if (status instanceof FileFault) return [`${path} ${status.text}`];
  return status.isDirectory() ? [] : [`${path} is not a folder (ENOTDIR)`];
}

function statusOf(path: string): Stats | FileFault {
  try {
    return statSync(path);
  } catch (error) {
    return systemFault(path, error);
  }
}
