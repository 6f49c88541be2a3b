/**
 * npm run bench [-- NAME …] [--quick] [--large] [--minutes=N]: runs each subject in a separate process, one after another; their tables go
 * to stdout. Timings are noisy: compare within one run.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const SUBJECTS = {
  serving: "the cost of the sandbox beside an echo in the same server, cold start, memory (3 minutes)",
  admission: "hash, read, analyse and limit a module of 1 MB, beside compiling it",
  inspect:
    "kleidi inspect of a module of 5 MB, as a function and as a command, beside compiling it (1 minute)",
  wall: "the cost of the wall around a provider: calls, start and memory, with each wall and without one (2 minutes)",
  gate: "the cost of the gate per host call",
  audit: "lines of the audit log beside plain pino, and the speed of verify (--large: 1 GB)",
  tpm: "the tpm provider on a real swtpm, beside the local one and bare commands",
  pkcs11: "the pkcs11 provider on a token of SoftHSM, beside the local one (half a minute)",
  audited: "the cost of the audit log for a serving host",
  vault: "the vault provider on a real OpenBao, beside plain fetch and a Go plugin",
  compose: "a composed key beside its members alone, on a real OpenBao and TPM simulators (2 minutes)",
  clouds:
    "a signature of AWS, and the providers of the clouds on stand-ins, beside plain requests and the vault provider (2 minutes)",
  migrate: "rewriting Secrets on a real API server, and the count that proves it (1 minute)",
  "tpm-filter": "the cost of the TPM command filter",
  scrape: "a scrape, idle and with 64 callers, beside an empty registry (1 minute)",
  floods: "the effect of floods of both listeners on an honest caller and the host's memory (5 minutes)",
  peers: "CPU, latency, memory and start beside plugins in Go (3 minutes)",
  neighbours: "the effect of a misbehaving provider on the callers of an honest one (2 minutes)",
  growth: "memory of 1, 4 and 16 providers, with and without standby processes, and after a load (5 minutes)",
} as const;
/** Subjects that run only if named. */
const LONG = {
  start: "start of the image in podman until Status is ok, beside a bare Node in it (as root, half a minute)",
  boot: "boot of a node until the API server is ready, beside a plugin in Go (as root, 5 minutes)",
  apiserver:
    "start of an API server with 1,000 seeds and with 10,000 Secrets, without encryption, with a plugin in Go and with kleidí (5 minutes)",
  soak: "every flood at once for --minutes=20 (else 1), and the host's resources before, during and after",
} as const;
const ALL = { ...SUBJECTS, ...LONG };

const names = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));
const options = process.argv.slice(2).filter((argument) => argument.startsWith("-"));
const unknown = [
  ...names.filter((name) => !Object.hasOwn(ALL, name)),
  ...options.filter((option) => !/^--(quick|large|help|minutes=[1-9][0-9]{0,2})$/.test(option)),
];
if (options.includes("--help") || unknown.length > 0) {
  if (unknown.length > 0) console.error(`Cannot measure ${unknown.join(", ")}: unknown subject or option.`);
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
