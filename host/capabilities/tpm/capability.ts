/** kleidi:tpm: lets a provider send TPM commands to one TPM, through a filter. */
import { exampleOf } from "../../schema/field.ts";
import type { Capability, ExamineContext, GrantContext, OpenContext } from "../capability.ts";
import { footprintOf } from "./footprint.ts";
import { GRANT, type TpmConfig } from "./grant.ts";
import { REQUESTS } from "./requests.ts";

export const tpm = {
  name: "tpm",
  requests: REQUESTS,
  waits: true,
  grant: {
    schema: GRANT,
    line: () => `tpm: ${exampleOf(GRANT)}`,
    reach: ({ device, hierarchies }: TpmConfig) => `on ${device}, hierarchies ${hierarchies.join(", ")}`,
  },
  load: () => import("./tpm.ts"),
  async open({ grants, log }: OpenContext<TpmConfig>) {
    const { openTpm } = await import("./tpm.ts");
    const warn = (device: string, why: string) =>
      log("warn", { device, why }, "the TPM cannot be reached, or was lost");
    return openTpm({ grants, warn });
  },
  footprint: ({ grants }: GrantContext<TpmConfig>) => footprintOf([...grants.values()]),
  async examine(context: ExamineContext<TpmConfig>) {
    const { examineTpms } = await import("./doctor.ts");
    return examineTpms(context);
  },
} as const satisfies Capability;
