/** What a module can ask for: its manifest and its code held against each other, and what makes its code hard to tell. */

import { RPCS } from "../host-call.ts";
import { escapeName } from "../lib/text.ts";
import { authorityOf, manifestFaults, startFaults } from "../module/authority.ts";
import { type Check, type Findings, many, refusals } from "./check.ts";

export function start({ partial: { module }, reached }: Findings): Check {
  const index = module?.start;
  return {
    check: "start",
    expectation: "no host call before an export is called",
    good:
      module === undefined
        ? undefined
        : index === undefined
          ? "no start function"
          : `the start function ${index} reaches none`,
    found: refusals(reached === undefined ? [] : startFaults(reached)),
  };
}

export function authority({ manifest, reached, known }: Findings): Check {
  const check = "authority";
  const expectation = "its manifest requests what its code can reach in each RPC, no more and no less";
  if (reached === undefined) return { check, expectation, good: undefined, found: [] };
  const used = authorityOf(reached, RPCS);
  if ("fault" in manifest) {
    const actual = `without a manifest there is nothing to hold ${many(used.length, "operation")} against`;
    return { check, expectation, good: "", found: [{ severity: "warn", actual }] };
  }
  return {
    check,
    expectation,
    good:
      used.length === 0
        ? "nothing is requested or used"
        : `the same ${many(used.length, "operation")}, each RPC counted`,
    found: refusals(manifestFaults(manifest, used, known)),
  };
}

/** A call through a table counts as a call of everything in it, so a little of it can be a lot of authority. */
export function throughTable({ reached, rpcs }: Findings): Check {
  const found = rpcs.flatMap(({ rpc, functions, indirect, reaches }): Check["found"] => {
    if (indirect === 0) return [];
    const only = reaches.filter((each) => each.throughTable);
    const adds = only
      .map(({ capability, operation }) => `${escapeName(capability)}.${escapeName(operation)}`)
      .join(", ");
    const calls = `in ${rpc}, ${indirect} of ${many(functions, "function")} can call through the table`;
    return only.length === 0
      ? [{ severity: "note", actual: `${calls}, which adds no host call` }]
      : [{ severity: "warn", actual: `${calls}, and only so it can reach ${adds}` }];
  });
  return {
    check: "indirect",
    expectation: "no call through the table, so that what is reached is what is called by name",
    good: reached === undefined ? undefined : "none in what the RPCs can run",
    found,
  };
}
