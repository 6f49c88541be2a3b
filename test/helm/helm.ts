/** Runs the Helm that test/helm/build.sh builds, with its own files. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { root } from "../support/fixture.ts";

export const CHART = "deploy/helm/kleidi";
const BIN = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "kleidi", "helm-bin");
const MOST_MS = 600_000;

export class Helm {
  readonly folder = mkdtempSync(join(tmpdir(), "kleidi-helm-"));
  #values = 0;

  /** Writes a values file. @returns its path */
  values(values: object): string {
    this.#values += 1;
    const path = join(this.folder, `values-${this.#values}.yaml`);
    writeFileSync(path, stringify(values));
    return path;
  }

  /** Runs Helm in the checkout, without a network unless `kubeconfig` names an API server. */
  try(args: readonly string[], kubeconfig = "/dev/null") {
    const env = { PATH: process.env.PATH, HOME: this.folder, KUBECONFIG: kubeconfig };
    const options = { cwd: root, env, encoding: "utf8", timeout: MOST_MS, maxBuffer: 1 << 26 } as const;
    return spawnSync(join(BIN, "helm"), args, options);
  }

  /** Runs Helm. @returns its stdout @throws Error with its output */
  run(args: readonly string[], kubeconfig?: string): string {
    const { status, stdout, stderr } = this.try(args, kubeconfig);
    if (status === 0) return stdout;
    throw new Error(`helm ${args.join(" ")} gave ${status}:\n${stdout}${stderr}`);
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
