/**
 * Writes the host's program into the package as few large files. With a file for each source, and for each file of a package, a
 * start takes 1.7 times the processor time (docs/decisions/0049-bundle.md).
 */
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { build, type Plugin } from "esbuild";
import { ReleaseFault } from "../release/fault.ts";

/** Packages of npm that are CommonJS call require() for the modules of Node. */
const REQUIRE = `import { createRequire as requireBeside } from "node:module";\nconst require = requireBeside(import.meta.url);`;
const OWN_FOLDER = /\bimport\.meta\.dirname\b/g;

/**
 * Bundles what host/main.ts imports, packages of npm included, into `host/main.js` and a file for each part that a command imports
 * when it runs. Nothing is minified: an auditor reads it, and each part begins with the path of its source.
 * @param checkout the root of a checkout with its packages
 * @param folder of the package; the files are written into its folder host
 * @throws ReleaseFault if a source cannot be bundled
 * @example await bundle("/src/kleidi", "/tmp/package"); // /tmp/package/host/main.js, serve-2A5OUW3T.js, …
 */
export async function bundle(checkout: string, folder: string): Promise<void> {
  try {
    await build({
      absWorkingDir: checkout,
      entryPoints: ["host/main.ts"],
      outdir: join(folder, "host"),
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "node",
      target: "node26",
      // A checkout may have its packages through a link, whose target must not be in the comments.
      preserveSymlinks: true,
      banner: { js: REQUIRE },
      legalComments: "none",
      logLevel: "silent",
      plugins: [ownFolders(checkout)],
    });
  } catch (error) {
    throw new ReleaseFault(`the host cannot be bundled: ${(error as Error).message}`);
  }
}

/** A source that reads a file beside itself finds it there: all parts of the bundle are in the folder host. */
function ownFolders(checkout: string): Plugin {
  const host = join(checkout, "host");
  return {
    name: "own-folders",
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const own = relative(host, dirname(path));
        const contents = readFileSync(path, "utf8").replace(
          OWN_FOLDER,
          `(import.meta.dirname + ${JSON.stringify(`/${own}`)})`,
        );
        return { contents, loader: "ts" };
      }),
  };
}
