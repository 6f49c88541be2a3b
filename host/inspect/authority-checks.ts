/** Checks of a module's authority: manifest against code, host calls at instantiation, and calls through the table. */
import { RPCS } from "../host-call.ts";
import { escapeName } from "../lib/text.ts";
import { authorityOf, manifestFaults, RUN_AT_START, startFaults } from "../module/authority.ts";
import { KLEIDI } from "../module/contract.ts";
import { type Check, type CheckFinding, type CheckInput, plural, refusals } from "./check.ts";

/** Host calls at instantiation. */
export function start({ partial: { module, exports }, reached }: CheckInput): Check {
  const index = module?.start;
  const others = RUN_AT_START.filter((name) => exports.some((each) => each.name === name));
  return {
    check: "start",
    expectation: "no host call before an export is called",
    good:
      module === undefined
        ? undefined
        : index === undefined
          ? "no start function and no export that runs in each instance"
          : `the start function ${index} reaches no host call`,
    found: [
      ...refusals(reached === undefined ? [] : startFaults(reached)),
      ...others.map(runsAtStart(reached)),
    ],
  };
}

/** Extism calls these exports in every instance, so they are code that runs, and not exports without a use. */
const runsAtStart =
  (reached: CheckInput["reached"]) =>
  (name: string): CheckFinding => {
    const calls = reached?.exports.get(name)?.filter(({ module }) => module.startsWith(KLEIDI)) ?? [];
    const names = calls.map((call) => `${escapeName(call.module)} ${escapeName(call.name)}`).join(", ");
    const what = reached === undefined ? "its reach is unknown" : `it reaches ${names || "no host call"}`;
    return { severity: "note", actual: `the export ${name} runs in each instance, before its RPC; ${what}` };
  };

/** The requests of the manifest against the reach of the code. */
export function authority({ manifest, reached, known }: CheckInput): Check {
  const check = "authority";
  const expectation = "the manifest requests exactly the operations that the code can reach in each RPC";
  if (reached === undefined) return { check, expectation, good: undefined, found: [] };
  const used = authorityOf(reached, RPCS);
  if ("fault" in manifest) {
    const actual = `without a manifest, ${plural(used.length, "operation")} cannot be compared`;
    return { check, expectation, good: "", found: [{ severity: "warn", actual }] };
  }
  return {
    check,
    expectation,
    good:
      used.length === 0
        ? "no operation is requested or used"
        : `${plural(used.length, "operation")} requested and used, counted for each RPC`,
    found: refusals(manifestFaults(manifest, used, known)),
  };
}

/** A call through a table counts as a call of every function in it, so one such call can add much authority. */
export function indirectCalls({ reached, rpcs }: CheckInput): Check {
  const found = rpcs.flatMap(({ rpc, functions, indirect, reaches }): Check["found"] => {
    if (indirect === 0) return [];
    const only = reaches.filter((each) => each.throughTable);
    const adds = only
      .map(({ capability, operation }) => `${escapeName(capability)}.${escapeName(operation)}`)
      .join(", ");
    const calls = `in ${rpc}, ${indirect} of ${plural(functions, "function")} can call through the table`;
    return only.length === 0
      ? [{ severity: "note", actual: `${calls}, which adds no host call` }]
      : [{ severity: "warn", actual: `${calls}; only these calls can reach ${adds}` }];
  });
  return {
    check: "indirect",
    expectation: "no call through the table, so that the reach is exact",
    good: reached === undefined ? undefined : "none in the code that the RPCs can run",
    found,
  };
}
