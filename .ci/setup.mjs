/**
 * Prepares a checkout: installs the packages of the lockfile (including Node 26) and builds the providers. Needs Linux on x64
 * or arm64, node 20 or later and npm; skips every step that is done already.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(fileURLToPath(import.meta.url), "..", "..");
const PACKAGES = ["", "operator"];
/** npm ci prints nothing for up to a minute. */
const PROGRESS_MS = 10_000;
/** The processors that have a Node in the lockfile, named as in process.arch. */
const ARCHITECTURES = ["x64", "arm64"];

if (Number(process.versions.node.split(".")[0]) < 20) {
  stop(`Cannot set up: node is ${process.versions.node}, 20 or later is needed`);
}
if (process.platform !== "linux" || !ARCHITECTURES.includes(process.arch)) {
  stop(
    `Cannot set up: this is ${process.platform} ${process.arch}; the pinned Node is for linux ${ARCHITECTURES.join(" and ")}`,
  );
}

for (const folder of PACKAGES) await install(folder);
await run("sh", [join(root, "host", "kleidi-node"), join(root, "providers", "build.ts")]);

/** @param {string} folder a folder with a package-lock.json */
async function install(folder) {
  const file = join(folder, "package-lock.json");
  const stamp = join(root, folder, "node_modules", ".kleidi-lock");
  const lock = createHash("sha256")
    .update(readFileSync(join(root, file)))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  console.log(`Installing the packages of ${file} …`);
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
  await run("npm", [
    "ci",
    "--prefix",
    join(root, folder),
    "--ignore-scripts",
    "--include=optional",
    ...quiet,
  ]);
  // npm does not fail if it cannot get a package of one architecture.
  const node = join("node_modules", `node-linux-${process.arch}`, "bin", "node");
  if (!existsSync(join(root, node))) stop(`Cannot set up: npm did not install ${node}: run it again`);
  writeFileSync(stamp, lock);
}

/**
 * @param {string} command
 * @param {string[]} args
 */
async function run(command, args) {
  const child = spawn(command, args, { cwd: root, stdio: "inherit" });
  const began = Date.now();
  const timer = setInterval(
    () => console.log(`  ${command} is still at work, ${Math.round((Date.now() - began) / 1000)} s`),
    PROGRESS_MS,
  );
  const outcome = await new Promise((resolve) => {
    child.once("error", ({ message }) => resolve(message));
    child.once("exit", (code, signal) => resolve(code ?? signal));
  });
  clearInterval(timer);
  if (outcome !== 0) stop(`Cannot set up: "${command} ${args.join(" ")}" ended with ${outcome}`);
}

/** @param {string} message */
function stop(message) {
  console.error(message);
  process.exit(1);
}
