/** kleidi:state: small records that a provider reads, and creates during provisioning. */
import type { Capability, Footprint, GrantContext, OpenContext } from "../capability.ts";
import { StateDirectory } from "./directory.ts";
import { GRANT, SECTION, type StateGrant, type StateSection } from "./grant.ts";
import { RULES } from "./rules.ts";
import { openState, REQUESTS } from "./state.ts";

export const state = {
  name: "state",
  requests: REQUESTS,
  grant: {
    schema: GRANT,
    line: (names) => `state: { names: [${names.join(", ")}] }`,
    reach: ({ names }: StateGrant) => `of records ${names.join(", ")}`,
  },
  section: SECTION,
  rules: RULES,
  footprint: ({ section }: GrantContext<StateGrant, StateSection>): Footprint =>
    section === undefined ? {} : { writes: [section.directory] },
  open({ grants, section, log }: OpenContext<StateGrant, StateSection>) {
    if (section === undefined) throw new TypeError("a record is granted, and there is no folder of records");
    const directory = new StateDirectory(section.directory);
    const fault = directory.tidy([...grants.values()].flatMap(({ names }) => names));
    if (fault !== undefined)
      log("warn", { err: fault }, "leftovers of an interrupted key init cannot be removed");
    return openState(directory);
  },
} as const satisfies Capability;
