/** The CustomResourceDefinitions of the Prometheus operator, from its Go module (monitoring/go.mod). */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

const MODULE = "github.com/prometheus-operator/prometheus-operator";
const CRDS = "example/prometheus-operator-crd/monitoring.coreos.com_";

/** @param plural such as servicemonitors */
export function monitoringCrd(plural: string): object {
  const { status, stdout, stderr } = spawnSync("go", ["mod", "download", "-json", MODULE], {
    cwd: join(import.meta.dirname, "monitoring"),
    env: { ...process.env, GOFLAGS: "-mod=readonly", GOWORK: "off" },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`Cannot get ${MODULE}: ${stdout}${stderr}`);
  return parse(readFileSync(join(JSON.parse(stdout).Dir, `${CRDS}${plural}.yaml`), "utf8"));
}
