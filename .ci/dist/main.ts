/** npm run dist: see HELP, and docs/releasing.md. */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildNfpm } from "../../deploy/packages/nfpm.ts";
import { makePackages } from "../../deploy/packages/packages.ts";
import { packageVersion } from "../../deploy/packages/version.ts";
import { ReleaseFault } from "../release/fault.ts";
import { makeFolder } from "../release/folder.ts";
import { readSecretKey } from "../release/minisign.ts";
import { type SummedFile, writeSums } from "../release/sums.ts";
import { type Dist, makeDist } from "./dist.ts";
import { ARCHITECTURES, type Architecture } from "./packages.ts";

const HELP = `Make the installable forms of this checkout: JavaScript, the modules, the packages of npm and Node.

    npm run dist [-- --out FOLDER] [--arch NAME]… [--packages] [--key FILE] [--json]

  --out FOLDER  the folder to make; it must not exist. Default: dist/, which is replaced
  --arch NAME   the processor of a tree and its archive: x64 or arm64; may be repeated. Default: the one of this machine
  --packages    make a .deb and an .rpm of each tree too, for nodes with systemd; needs Go 1.26 or later
  --key FILE    sign SHA256SUMS with this secret key of minisign; it has no password, and only its owner can read it
  --json        print one JSON object
  --help        print this

It writes NAME.tgz (for npm, without Node), provider-sdk-VERSION.tgz (for npm, for authors), NAME-linux-ARCH/ (a folder that runs where it is copied to), NAME-linux-ARCH.tar.gz, a software
bill of materials (CycloneDX), NAME-operator/ (the operator, for its image) and SHA256SUMS. The same commit gives the same bytes. NAME is
kleidi-1.2.3 for a commit with the tag v1.2.3, kleidi-1.2.3+gCOMMIT for another one, and ends with .modified if the checkout has changes.
The packages of a commit without the tag have the version 1.2.3~TIME.gCOMMIT, which sorts before 1.2.3. The tree of
this machine's processor is run once, for its version; another one is not run.

Examples:
    npm run dist && dist/kleidi-*/host/kleidi --version       make and run the tree
    npm run dist -- --arch x64 --arch arm64 --out /tmp/dist   make the trees of both processors
    npm run dist -- --packages                                make the .deb and the .rpm too
    npm run --silent dist -- --out /tmp/dist --json           for a program

Exit codes: 0 success, 1 problems found, 2 usage error.
`;
const EXIT = { SUCCESS: 0, PROBLEMS: 1, USAGE: 2 } as const;
const OPTIONS = {
  out: { type: "string" },
  arch: { type: "string", multiple: true },
  packages: { type: "boolean", default: false },
  key: { type: "string" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;
const root = join(import.meta.dirname, "..", "..");
const DEFAULT_OUT = join(root, "dist");

class UsageFault extends Error {}

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const wantsJson = args.includes("--json");
  try {
    const { out, arch, packages, key, json, help } = parseArgs({ args, options: OPTIONS }).values;
    if (help) {
      process.stdout.write(HELP);
      return EXIT.SUCCESS;
    }
    const architectures = (arch ?? [process.arch]).map(parseArchitecture);
    const made = await write(out, [...new Set(architectures)], { packages, key });
    process.stdout.write(json ? `${JSON.stringify({ ok: true, ...made }, null, 2)}\n` : textOf(made));
    return EXIT.SUCCESS;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof ReleaseFault) return fail(EXIT.PROBLEMS, message, wantsJson);
    if (error instanceof UsageFault || String(code).startsWith("ERR_PARSE_ARGS_"))
      return fail(EXIT.USAGE, message, wantsJson);
    throw error;
  }
}

interface Written extends Omit<Dist, "files"> {
  readonly out: string;
  readonly files: readonly SummedFile[];
}

async function write(
  out: string | undefined,
  architectures: readonly Architecture[],
  { packages, key }: { readonly packages: boolean; readonly key: string | undefined },
): Promise<Written> {
  // Built first, because it fails if Go is missing, and the rest takes minutes.
  if (packages) buildNfpm();
  const secret = key === undefined ? undefined : readSecretKey(key);
  const folder = resolve(out ?? DEFAULT_OUT);
  return await makeFolder(folder, out === undefined, async (into) => {
    const dist = await makeDist({ checkout: root, into, architectures, archives: true });
    const packaged = packages ? packagesOf(dist, architectures, into) : [];
    const files = writeSums(into, [...dist.files, ...packaged], secret, `${dist.name} commit:${dist.commit}`);
    return { ...dist, out: folder, files };
  });
}

function packagesOf(
  { name, time, trees }: Dist,
  architectures: readonly Architecture[],
  into: string,
): string[] {
  const version = packageVersion(name, time);
  return trees.flatMap((tree, index) =>
    makePackages({ tree: join(into, tree), arch: architectures[index] ?? "x64", version, time, into }),
  );
}

function parseArchitecture(name: string): Architecture {
  const known = ARCHITECTURES.find((each) => each === name);
  if (known === undefined) throw new UsageFault(`--arch is ${name}, expected ${ARCHITECTURES.join(" or ")}`);
  return known;
}

function fail(exit: number, message: string, json: boolean): number {
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, message }, null, 2)}\n`);
  else
    process.stderr.write(`Cannot make the packages: ${message}\n${exit === EXIT.USAGE ? `\n${HELP}` : ""}`);
  return exit;
}

function textOf({ out, commit, files, trees, notRun }: Written): string {
  const rows = files.map(({ sha256, size, name }) => `${sha256}  ${String(size).padStart(9)} bytes  ${name}`);
  const lines = [
    ...rows,
    `Commit ${commit} is in ${out}.`,
    ...trees.map((tree) =>
      notRun.includes(tree)
        ? `${tree} was not run: it is for another processor than this machine's.`
        : `Run ${join(out, tree, "host/kleidi")}.`,
    ),
  ];
  return `${lines.join("\n")}\n`;
}
