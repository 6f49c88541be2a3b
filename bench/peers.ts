/**
 * npm run bench -- peers: plugins in Go and kleidí on the same work, under one client in Go (bench/go/cmd/kmsload): a key in a file beside
 * the local provider, and a transit key of OpenBao beside the vault provider. kleidí is the tree that npm run dist makes. CPU is that of all processes of a plugin, without the client
 * and without OpenBao. In turns; compare within one run. Takes three minutes; --quick takes one.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { builtDist } from "../.ci/dist/built.ts";
import { kmsload, localpeer } from "../test/support/bench-go.ts";
import { Fixture, localConfig } from "../test/support/fixture.ts";
import { OpenBao } from "../test/support/openbao.ts";
import { vaultpeer } from "../test/support/openbao-server.ts";
import { Setup } from "../test/support/openbao-setup.ts";
import { vaultNode } from "../test/support/vault-node.ts";
import { buildGo } from "./build-go.ts";
import type { Load } from "./callers.ts";
import { median } from "./figures.ts";
import { cpuMs, memoryMiB, treeOf } from "./processes.ts";
import { untilGood, untilSocket } from "./until-good.ts";

const quick = process.argv.includes("--quick");
const ROUNDS = quick ? 3 : 9;
const STARTS = quick ? 3 : 7;
const CALLS = { 1: quick ? 500 : 1000, 64: quick ? 3000 : 10_000 } as const;
const CALLERS = [1, 64] as const;
/** Calls of the client that it does not count. */
const WARM_UP = 201;
const QUIET = { log: { level: "warn", file: "kleidi.log" }, status: { interval: "60s" } };
/** A provider's standby process starts after 5 s. */
const REST_MS = 8000;

interface Subject {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly socket: string;
  /** The subject in Go that does the same work. */
  readonly peer?: string;
}

/** Milliseconds from the start of the process. */
interface Start {
  readonly socket: number;
  readonly good: number;
}

interface Sample extends Load {
  /** Milliseconds of CPU for 10,000 calls. */
  readonly cpu: number;
}

buildGo("bench/go", "test/openbao");
const kleidi = join((await builtDist()).tree, "host/kleidi");
const folder = mkdtempSync(join(tmpdir(), "kleidi-bench-"));
const fixtures: Fixture[] = [];
const running: ChildProcess[] = [];
const bao = await OpenBao.dev();
try {
  const subjects = [...localSubjects(), ...(await vaultSubjects())];
  const starts = await measureStarts(subjects);
  await measureCalls(subjects, starts);
} finally {
  for (const child of running) await Fixture.stop(child);
  for (const fixture of fixtures) await fixture.close();
  await bao.stop();
  rmSync(folder, { recursive: true, force: true });
}

function localSubjects(): Subject[] {
  const key = join(folder, "key");
  writeFileSync(key, randomBytes(32), { mode: 0o600 });
  const fixture = new Fixture();
  fixtures.push(fixture);
  fixture.write(localConfig([{ name: "kek", use: "active" }], QUIET)).keyInit("kek");
  const socket = join(folder, "local.sock");
  const name = "Go, key in a file";
  return [
    { name, socket, command: [localpeer, `--socket=${socket}`, `--key=${key}`] },
    { ...served(fixture), name: "kleidí local", peer: name },
  ];
}

async function vaultSubjects(): Promise<Subject[]> {
  const setup = new Setup(bao);
  await setup.kek();
  const token = await setup.token({ policies: ["kek"] });
  const tokenFile = join(folder, "token");
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  const fixture = vaultNode({ origin: bao.url, token, interval: "60s", rest: QUIET });
  fixtures.push(fixture);
  const socket = join(folder, "vault.sock");
  const options = [`-socket=${socket}`, `-addr=${bao.url}`, `-token-file=${tokenFile}`, "-key=kek"];
  const name = "Go, Vault Transit";
  return [
    { name, socket, command: [vaultpeer, ...options] },
    { ...served(fixture), name: "kleidí vault", peer: name },
  ];
}

function served({ socket, config }: Fixture): Pick<Subject, "socket" | "command"> {
  return { socket, command: [kleidi, "serve", "--config", config] };
}

function start({ command: [program, ...args] }: Subject): ChildProcess {
  // Without the caller's BAO_* or VAULT_*, which OpenBao's client reads.
  const env = { PATH: process.env.PATH };
  const child = spawn(program, args, { env, stdio: ["ignore", "ignore", "inherit"] });
  running.push(child);
  return child;
}

/** Until the socket, and until the first good Status. The last processes are left running. */
async function measureStarts(subjects: readonly Subject[]): Promise<Map<Subject, Start[]>> {
  const starts = new Map<Subject, Start[]>(subjects.map((subject) => [subject, []]));
  for (let round = 0; round < STARTS; round++) {
    for (const child of running.splice(0)) await Fixture.stop(child);
    for (const subject of subjects) {
      rmSync(subject.socket, { force: true });
      const begun = performance.now();
      start(subject);
      const socket = (await untilSocket(subject.socket)) - begun;
      starts.get(subject)?.push({ socket, good: (await untilGood(subject.socket)) - begun });
    }
  }
  return starts;
}

async function measureCalls(subjects: readonly Subject[], starts: Map<Subject, Start[]>): Promise<void> {
  await sleep(REST_MS);
  const pids = new Map(subjects.map((subject, i) => [subject, running[i]?.pid ?? 0]));
  const pss = () => new Map([...pids].map(([subject, pid]) => [subject, memoryMiB(treeOf(pid), "Pss")]));
  const rest = pss();
  const samples = new Map<string, Sample[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const callers of CALLERS) {
      for (const [subject, pid] of pids) {
        process.stderr.write(
          `\r\u001b[Kround ${round + 1} of ${ROUNDS}: ${subject.name}, ${callers} callers`,
        );
        const key = `${subject.name} ${callers}`;
        samples.set(key, [...(samples.get(key) ?? []), await sample(subject, pid, callers)]);
      }
    }
  }
  process.stderr.write("\r\u001b[K");
  const after = pss();
  const calls = ROUNDS * (CALLS[1] + CALLS[64]);
  console.log(machine());
  console.log(`Decrypt, medians of ${ROUNDS} rounds in turns; "by Go": the median of the rounds' ratios:`);
  console.table(CALLERS.flatMap((callers) => subjects.map((each) => rowOf(each, callers, samples))));
  console.log(
    `From the start to the socket and to the first good Status, medians of ${STARTS}; PSS of all processes:`,
  );
  console.table(
    subjects.map((subject) => ({
      plugin: subject.name,
      "socket ms": Math.round(median((starts.get(subject) ?? []).map((each) => each.socket))),
      "good Status ms": Math.round(median((starts.get(subject) ?? []).map((each) => each.good))),
      "PSS MiB at rest": Math.round(rest.get(subject) ?? Number.NaN),
      [`after ${calls} calls`]: Math.round(after.get(subject) ?? Number.NaN),
    })),
  );
}

async function sample(subject: Subject, pid: number, callers: 1 | 64): Promise<Sample> {
  const before = cpuMs(treeOf(pid));
  const args = [subject.socket, "Decrypt", String(callers), String(CALLS[callers])];
  const { stdout } = await promisify(execFile)(kmsload, args);
  const load: Load = JSON.parse(stdout);
  return { ...load, cpu: ((cpuMs(treeOf(pid)) - before) / (load.calls + WARM_UP)) * 10_000 };
}

function rowOf({ name, peer }: Subject, callers: number, samples: ReadonlyMap<string, Sample[]>) {
  const own = samples.get(`${name} ${callers}`) ?? [];
  const others = samples.get(`${peer ?? name} ${callers}`) ?? [];
  const of = (field: keyof Sample) => median(own.map((each) => each[field]));
  const byGo = (field: keyof Sample) =>
    median(own.map((each, i) => each[field] / (others[i]?.[field] ?? Number.NaN))).toFixed(2);
  return {
    callers,
    plugin: name,
    "CPU ms per 10,000": Math.round(of("cpu")),
    "by Go": byGo("cpu"),
    rps: Math.round(of("rps")),
    "rps by Go": byGo("rps"),
    "p50 ms": of("p50").toFixed(3),
    "p99 ms": of("p99").toFixed(3),
    failures: of("failures"),
  };
}

function machine(): string {
  const [cpu] = cpus();
  const go = execFileSync("go", ["version"], { encoding: "utf8" }).split(" ")[2];
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} × ${cpu?.model}, ${gib} GiB, Linux ${release()}, Node ${process.versions.node}, ${go}`;
}
