/** Scans a snapshot of etcd (`etcdctl snapshot save`), or member/snap/db of a stopped etcd. The file is read in pages and never as a whole. */
import { createHash } from "node:crypto";
import { FileFault, readAt, withRegular } from "../lib/files.ts";
import { BoltFile, type Read } from "./bolt-file.ts";
import { EtcdFault } from "./etcd-fault.ts";
import { newestRevisions } from "./revisions.ts";
import { MAX_FAULTS, type Scan } from "./scan.ts";
import { StoredTally } from "./tally.ts";

/** `etcdctl snapshot save` appends the SHA-256 of the file, whose size is a multiple of 512 before. */
const SECTOR = 512;
const SHA256 = 32;
const CHUNK = 1 << 20;

/**
 * @param prefix of the API server's keys, "/registry"
 * @param onBytes called with the number of bytes that were read, for a progress bar
 * @throws EtcdFault the file cannot be read, or is not a store of etcd
 */
export function scanFile(path: string, prefix: string, onBytes: (bytes: number) => void = () => {}): Scan {
  const scan = withRegular(path, {}, (file, { size }) => {
    const read: Read = (position, length) => {
      const bytes = readAt(file, position, length);
      onBytes(bytes.length);
      return bytes;
    };
    const hasChecksum = size % SECTOR === SHA256;
    const checksum = hasChecksum ? isIntact(read, size - SHA256) : undefined;
    return { ...scanStore(read, hasChecksum ? size - SHA256 : size, prefix), checksum };
  });
  if (scan instanceof FileFault) throw new EtcdFault(`it ${scan.problem}`, `${scan.remedy}.`);
  return scan;
}

function isIntact(read: Read, size: number): boolean {
  const hash = createHash("sha256");
  for (let at = 0; at < size; at += CHUNK) hash.update(read(at, Math.min(CHUNK, size - at)));
  return hash.digest().equals(read(size, SHA256));
}

/**
 * Scans a store in bbolt's format.
 * @param size in bytes
 * @throws EtcdFault
 */
export function scanStore(read: Read, size: number, prefix: string): Scan {
  const file = new BoltFile(read, size);
  const tally = new StoredTally(prefix);
  const faults: string[] = [];
  let faultCount = 0;
  let revision = 0;
  for (const step of newestRevisions(file.elements("key"), `${prefix}/`)) {
    if ("fault" in step) {
      faultCount += 1;
      if (faults.length < MAX_FAULTS) faults.push(step.fault);
      continue;
    }
    revision = Math.max(revision, step.revision);
    tally.add(step.stored);
  }
  if (file.wasWritten())
    throw new EtcdFault(
      "it was written during the scan",
      "Stop etcd, or take a snapshot (etcdctl snapshot save) and scan that.",
    );
  return { revision, objects: tally.objects, groups: tally.groups(), faults, faultCount };
}
