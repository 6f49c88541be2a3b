/** Starts kube-controller-manager with the controller of StorageVersionMigrations and the garbage collector, which that controller needs. */
import { type ChildProcess, spawn } from "node:child_process";
import { openSync } from "node:fs";
import { join } from "node:path";
import { binaries } from "../e2e/servers.ts";
import type { Cluster } from "./cluster.ts";

const PROGRAM = join(binaries, "..", "node-bin", "kube-controller-manager");

/** Flags for an API server that serves StorageVersionMigrations. */
export const MIGRATION_FLAGS = [
  "--feature-gates=StorageVersionMigrator=true",
  "--runtime-config=storagemigration.k8s.io/v1beta1=true",
];

/** Starts the process; the caller stops it. */
export function startControllerManager({ api, folder }: Cluster): ChildProcess {
  const log = openSync(join(folder, "controller-manager.log"), "a");
  const args = [
    `--kubeconfig=${api.kubeconfig()}`,
    "--controllers=garbage-collector-controller,storage-version-migrator-controller",
    "--feature-gates=StorageVersionMigrator=true",
    "--leader-elect=false",
    // By default it listens on every address.
    "--secure-port=0",
  ];
  return spawn(PROGRAM, args, { cwd: folder, stdio: ["ignore", log, log] });
}
