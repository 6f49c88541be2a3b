/** kleidi:log: a guest's lines in the host's log. */
import type { Capability, OpenContext } from "../capability.ts";
import { openLog, REQUESTS } from "./log.ts";

export const log = {
  name: "log",
  requests: REQUESTS,
  open: ({ linesPerCall, onLine }: OpenContext) => openLog({ linesPerCall, write: onLine }),
} as const satisfies Capability;
