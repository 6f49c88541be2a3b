/** The conformance kit: runs all checks of a module, in its sandbox, against a host in memory or a real one. */
import { availableParallelism } from "node:os";
import type { Supervisor } from "../sandbox/supervisor.ts";
import type { Wall } from "../sandbox/wall/build.ts";
import { openWall } from "../sandbox/wall/choose.ts";
import { admitModule, failureText } from "./admitted.ts";
import { readCases } from "./case-file.ts";
import { type Check, type Level, type Result, runCheck } from "./check.ts";
import { CIPHERTEXT_CHECKS } from "./ciphertext.ts";
import { CONTRACT_CHECKS } from "./contract.ts";
import { opensTo } from "./expectation.ts";
import type { Fixture } from "./fixture.ts";
import { KMS_CHECKS } from "./kms-used.ts";
import { MESSAGE_CHECKS } from "./messages.ts";
import { checkOf } from "./run-case.ts";
import { PARALLEL, PROCESS_BYTES, superviseModule } from "./sandboxed.ts";
import { assertComplete, inPlaceOf, openScriptedHost } from "./scripted-host.ts";
import { PROVIDER, Subject } from "./subject.ts";

/** The levels that need no real KMS. */
export const OFFLINE: readonly Level[] = [0, 1, 2, 3];

export interface KitOptions {
  /** The module's file. */
  readonly bytes: Uint8Array;
  readonly fixture: Fixture;
  readonly levels: readonly Level[];
  /** Receives each result as soon as it is known. */
  readonly onResult: (result: Result) => void;
  /** Stops at the first failure. */
  readonly bail?: boolean;
  /** The most variants of a check that tries many, such as each byte; by default all. */
  readonly variants?: number;
  /** Milliseconds for one call; by default enough for a machine with other work. */
  readonly deadlineMs?: number;
  /** Absent: the strongest wall that works. */
  readonly wall?: Wall;
}

/** A module of some megabytes takes 8 ms of a processor for each of a thousand calls, mostly for its instance. */
const MOST_PROCESSES = 4;
/** No limit: a call against a host in memory takes about a millisecond. */
const VARIANTS = 4_096;

/** @returns the checks of the levels 1 to 3, in the order in which they run */
export function allChecks(): Check[] {
  const cases = readCases().map(checkOf);
  const checks = [...MESSAGE_CHECKS, ...CONTRACT_CHECKS, ...CIPHERTEXT_CHECKS, ...KMS_CHECKS, ...cases];
  return [GOOD_CALLS, ...[1, 2, 3].flatMap((level) => checks.filter((check) => check.level === level))];
}

/** The first check: without it the others say nothing. */
export const GOOD_CALLS: Check = {
  name: "status_encrypt_and_decrypt_succeed",
  level: 1,
  section: "4",
  async run(subject) {
    const good = await subject.good();
    const fault = opensTo(await subject.open(good), good.plaintext);
    return fault === undefined ? [] : [`Encrypt ${fault}`];
  },
};

/**
 * Tests a module against a host in memory, whose KMS is that of a fixture.
 * @throws FixtureError if the fixture lacks a part for a capability that the module requests; KleidiError wall-missing
 */
export async function testModule(options: KitOptions): Promise<void> {
  const { bytes, fixture, onResult } = options;
  const admitted = admitModule(bytes, onResult);
  if (admitted === undefined) return;
  assertComplete(admitted.manifest, fixture);
  const wall = options.wall ?? (await openWall({ wall: "auto" }, PROCESS_BYTES));
  const host = await openScriptedHost(PROVIDER, admitted.manifest, fixture);
  const stranger = inPlaceOf(await openScriptedHost(PROVIDER, admitted.manifest, fixture), host);
  const processes = Array.from({ length: Math.min(MOST_PROCESSES, availableParallelism()) }, () =>
    superviseModule(admitted, wall, host.gate, { deadlineMs: options.deadlineMs }),
  );
  try {
    if (!(await starts(processes, onResult))) return;
    const { key, settings, others, binds } = fixture;
    const subject = new Subject({
      supervisor: inTurns(processes),
      provider: PROVIDER,
      key: { key, settings },
      others,
      binds,
      stranger,
      refusals: fixture.net?.refusals,
      variants: options.variants ?? VARIANTS,
      parallel: PARALLEL,
    });
    await runChecks(subject, allChecks(), options);
  } finally {
    await Promise.all(processes.map((each) => each.stop()));
  }
}

/** Each call has an instance of its own, so it does not matter which process runs it. */
function inTurns(processes: readonly Supervisor[]): Pick<Supervisor, "call"> {
  let turn = 0;
  return {
    call(...args) {
      const next = processes[turn++ % processes.length];
      if (next === undefined) throw new Error("no process was started");
      return next.call(...args);
    },
  };
}

/** Runs the checks of the wanted levels, one after the other. */
export async function runChecks(
  subject: Subject,
  checks: readonly Check[],
  { levels, onResult, bail = false }: Pick<KitOptions, "levels" | "onResult" | "bail">,
): Promise<void> {
  for (const check of checks) {
    if (!levels.includes(check.level) && check !== GOOD_CALLS) continue;
    const result = await runCheck(check, subject);
    onResult(result);
    if (result.result === "fail" && (bail || check === GOOD_CALLS)) return;
  }
}

async function starts(processes: readonly Supervisor[], onResult: KitOptions["onResult"]): Promise<boolean> {
  const begun = performance.now();
  let fault: string | undefined;
  try {
    await Promise.all(processes.map((each) => each.start()));
  } catch (error) {
    fault = failureText(error);
  }
  const ms = Math.round(performance.now() - begun);
  const all = { name: "module_starts_in_its_sandbox", section: "2", level: 0, ms } as const;
  onResult(
    fault === undefined ? { ...all, result: "pass", text: [] } : { ...all, result: "fail", text: [fault] },
  );
  return fault === undefined;
}
