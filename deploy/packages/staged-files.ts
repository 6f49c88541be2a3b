/** The files of a package that are not in the tree of `npm run dist`, or are in another form there. */
import { createHash } from "node:crypto";
import { copyFileSync, globSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "../../.ci/dist/run.ts";
import { inputOf } from "../../host/cli/render.ts";
import { documentText } from "../../host/init/document.ts";
import { local } from "../../host/init/local.ts";
import { withDefaults } from "../../host/init/templates.ts";
import { renderSystemd } from "../../host/render/systemd.ts";
import { DOC, HOME } from "./contents.ts";
import type { Format } from "./formats.ts";

/** The configuration from which the package's unit is rendered; the operator copies or replaces the example. */
const CONFIG = "/etc/kleidi/kleidi.yaml";
const EXAMPLE = `${DOC}/examples/kleidi.yaml`;
/** The operator copies the module, because an upgrade of the package must not change a pinned module. */
const MODULE = "/etc/kleidi/providers/local.wasm";
const PROGRAM = "/usr/bin/kleidi";
const MAN = "/usr/share/man/man1";

/**
 * @param tree the path of a tree of `npm run dist`
 * @param stage an empty folder; gets each file under its path in the package
 * @throws ReleaseFault if gzip fails
 */
export function stageFiles(tree: string, stage: string, { completions }: Format): void {
  const put = (path: string, text: string) => writeFileSync(placeOf(stage, path), text);
  const copy = (from: string, path: string) => copyFileSync(join(tree, from), placeOf(stage, path));
  put(EXAMPLE, exampleOf(tree));
  for (const { path, text } of serviceFiles(join(stage, EXAMPLE))) put(path, text);
  for (const page of readdirSync(join(tree, "man"))) copy(`man/${page}`, `${MAN}/${page}`);
  run("gzip", ["--best", "--no-name", ...globSync("*", { cwd: join(stage, MAN) })], join(stage, MAN));
  for (const [shell, path] of Object.entries(completions)) copy(`completions/kleidi.${shell}`, path);
  copy("LICENSE", `${DOC}/copyright`);
}

/** The configuration that `kleidi config init --for local` writes. */
function exampleOf(tree: string): string {
  const sha256 = createHash("sha256")
    .update(readFileSync(join(tree, "providers", "local.wasm")))
    .digest("hex");
  return documentText({
    template: local,
    answers: withDefaults(local, { key: "kek-2026", group: "kleidi-socket" }),
    file: CONFIG,
    schema: `${HOME}/docs/kleidi.schema.json`,
    module: { path: MODULE, sha256 },
  });
}

/** The unit, sysusers.d and tmpfiles.d, in the folders that packages use: a file of the same name under /etc takes precedence. */
function serviceFiles(example: string): { path: string; text: string }[] {
  const { files } = renderSystemd(inputOf(example, CONFIG), { program: PROGRAM });
  return files.map(({ path, text }) => ({ path: path.replace(/^\/etc\//, "/usr/lib/"), text }));
}

function placeOf(stage: string, path: string): string {
  const place = join(stage, path);
  mkdirSync(dirname(place), { recursive: true });
  return place;
}
