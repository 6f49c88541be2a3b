/**
 * npm run bench [-- NAME …] [--quick] [--large] [--minutes=N]: each subject in a process of its own, one after the other, its tables on stdout. Timings are
 * noisy: compare within one run.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const SUBJECTS = {
  serving: "what the sandbox costs beside an echo in the same server, cold start, memory (3 minutes)",
  admission: "hash, read, reach and limit a module of 1 MB, beside compiling it",
  inspect:
    "kleidi inspect of a module of 5 MB, as a function and as a command, beside compiling it (1 minute)",
  wall: "what the wall around a provider costs: calls, start and memory, behind each wall and without one (2 minutes)",
  gate: "what the gate costs for each host call",
  audit: "lines of the audit log beside plain pino, and how fast verify reads them (--large: 1 GB)",
  tpm: "the tpm provider on a real swtpm, beside the local one and bare commands",
  audited: "what the audit log costs a serving host",
  vault: "the vault provider on a real OpenBao, beside plain fetch and a Go plugin",
  "tpm-filter": "what the filter of TPM commands costs",
  scrape: "a scrape, idle and under 64 callers, beside an empty registry (1 minute)",
  floods: "what an honest caller and the host's memory see of floods of both listeners (5 minutes)",
  neighbours: "what an honest provider's callers see of a neighbour that misbehaves (2 minutes)",
  start: "start of the image in podman until Status is ok, beside a bare Node in it (as root, half a minute)",
} as const;
/** Only where they are named. */
const LONG = {
  boot: "boot of a node until the API server is ready, beside a plugin in Go (as root, 5 minutes)",
  soak: "every flood at once for --minutes=20 (else 1), and what the host holds before, during and after",
} as const;
const ALL = { ...SUBJECTS, ...LONG };

const names = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));
const options = process.argv.slice(2).filter((argument) => argument.startsWith("-"));
const unknown = [
  ...names.filter((name) => !Object.hasOwn(ALL, name)),
  ...options.filter((option) => !/^--(quick|large|help|minutes=[1-9][0-9]{0,2})$/.test(option)),
];
if (options.includes("--help") || unknown.length > 0) {
  if (unknown.length > 0)
    console.error(`Cannot measure ${unknown.join(", ")}: there is no such subject or option.`);
  const subjects = Object.entries(ALL).map(([name, what]) => `  ${name.padEnd(12)} ${what}`);
  console.log(["Usage: npm run bench [-- NAME …] [--quick] [--large] [--minutes=N]", ...subjects].join("\n"));
  process.exit(unknown.length > 0 ? 2 : 0);
}

let failed = false;
for (const name of names.length > 0 ? names : Object.keys(SUBJECTS)) {
  console.log(`\n== ${name}`);
  const program = join(import.meta.dirname, `${name}.ts`);
  const { status } = spawnSync(process.execPath, [program, ...options], { stdio: "inherit" });
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);
