/** npm run release: see HELP, and docs/releasing.md. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ReleaseFault } from "./fault.ts";
import { type MadeRelease, makeRelease } from "./release.ts";

const HELP = `Make the files of a release from a clean checkout.

    npm run release -- --out FOLDER [--key FILE] [--source-only] [--json]

  --out FOLDER   the folder to make; it must not exist
  --key FILE     sign with this secret key of minisign; it has no password, and only its owner can read it
  --source-only  leave out the packages that run without a build
  --json         print one JSON object
  --help         print this

It writes an archive of the source with everything that a host needs except the npm packages, the providers' modules, the packages that
npm run dist makes, for x64 and arm64, a software bill of materials (CycloneDX), and SHA256SUMS; with --key also a signature of
SHA256SUMS and of each module. The same commit gives the same bytes. A commit with the tag of its version (v1.2.3) makes
kleidi-1.2.3, every other one kleidi-1.2.3+gCOMMIT.

Examples:
    npm ci && npm run release -- --out /tmp/kleidi            compare with what was published: cat /tmp/kleidi/SHA256SUMS
    npm run release -- --out /tmp/kleidi --key release.key    sign
    npm run --silent release -- --out /tmp/kleidi --json      for a program

Exit codes: 0 success, 1 problems found, 2 usage error.
`;
const EXIT = { SUCCESS: 0, PROBLEMS: 1, USAGE: 2 } as const;
const OPTIONS = {
  out: { type: "string" },
  key: { type: "string" },
  "source-only": { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  const wantsJson = args.includes("--json");
  try {
    const { out, key, json, help, "source-only": sourceOnly } = parseArgs({ args, options: OPTIONS }).values;
    if (help) {
      process.stdout.write(HELP);
      return EXIT.SUCCESS;
    }
    if (out === undefined) return fail(EXIT.USAGE, "--out is missing", wantsJson);
    const checkout = join(import.meta.dirname, "..", "..");
    const made = await makeRelease({ checkout, out, key, sourceOnly });
    process.stdout.write(
      json ? `${JSON.stringify({ ok: true, out, ...made }, null, 2)}\n` : textOf(made, out),
    );
    return EXIT.SUCCESS;
  } catch (error) {
    if (error instanceof ReleaseFault) return fail(EXIT.PROBLEMS, error.message, wantsJson);
    const code = String((error as NodeJS.ErrnoException).code);
    if (code.startsWith("ERR_PARSE_ARGS_")) return fail(EXIT.USAGE, (error as Error).message, wantsJson);
    throw error;
  }
}

function fail(exit: number, message: string, json: boolean): number {
  if (json) process.stdout.write(`${JSON.stringify({ ok: false, message }, null, 2)}\n`);
  else process.stderr.write(`Cannot make the release: ${message}\n${exit === EXIT.USAGE ? `\n${HELP}` : ""}`);
  return exit;
}

function textOf({ name, commit, files, notRun, signedBy }: MadeRelease, out: string): string {
  const rows = files.map((file) => `${file.sha256}  ${String(file.size).padStart(9)} bytes  ${file.name}`);
  const signed = signedBy === undefined ? "not signed" : `signed with the key ${signedBy}`;
  rows.push(...notRun.map((each) => `${each} was not run: it is for another processor than this machine's.`));
  return `${rows.join("\n")}\n${name} of commit ${commit} is in ${out}, ${signed}.\n`;
}
