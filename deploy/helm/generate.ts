/**
 * Writes the generated parts of the chart. The CRDs, the alert rules and the dashboard are copies, because a chart can only read its own
 * files; the table of README.md comes from values.yaml and its schema. With --check it writes nothing and fails if a file is not current.
 *
 *     sh host/kleidi-node deploy/helm/generate.ts [--check]
 */
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { readmeWithTable } from "./values-table.ts";

const root = join(import.meta.dirname, "..", "..");
const chart = join(import.meta.dirname, "kleidi");
const check = process.argv.includes("--check");
const stale: string[] = [];

const read = (...path: string[]) => readFileSync(join(...path), "utf8");
const wanted: Record<string, string> = {
  "files/kleidi.rules.yaml": read(root, "deploy/prometheus/kleidi.rules.yaml"),
  "files/kleidi.json": read(root, "deploy/grafana/kleidi.json"),
  "README.md": readmeWithTable(
    read(chart, "README.md"),
    read(chart, "values.yaml"),
    read(chart, "values.schema.json"),
  ),
};
for (const file of globSync("operator/crds/*.yaml", { cwd: root }))
  wanted[`files/crds/${basename(file)}`] = read(root, file);

for (const [name, text] of Object.entries(wanted)) write(join(chart, name), text);
for (const name of globSync("files/**/*.{yaml,json}", { cwd: chart }))
  if (wanted[name] === undefined) remove(join(chart, name));
for (const path of stale)
  console.error(`${path} is not current: run "sh host/kleidi-node deploy/helm/generate.ts"`);
process.exitCode = stale.length === 0 ? 0 : 1;

function write(path: string, text: string): void {
  if (existsSync(path) && readFileSync(path, "utf8") === text) return;
  if (check) stale.push(path);
  else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

function remove(path: string): void {
  if (check) stale.push(path);
  else rmSync(path);
}
