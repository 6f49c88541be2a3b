/** kleidi:net: requests to the one granted origin, with a credential of the host. */
import { exampleOf } from "../../schema/field.ts";
import type { Capability, ExamineContext, GrantContext, OpenContext } from "../capability.ts";
import { footprintOf } from "./footprint.ts";
import { GRANT, LOGIN_CONNECTIONS, type NetConfig } from "./grant.ts";
import { methodOf } from "./login/methods.ts";
import { lineText } from "./request-syntax.ts";
import { REQUESTS } from "./requests.ts";
import { RULES } from "./rules.ts";

export const net = {
  name: "net",
  requests: REQUESTS,
  waits: true,
  grant: {
    schema: GRANT,
    line: () => `net: ${exampleOf(GRANT)}`,
    reach(grant: NetConfig) {
      const { origin, allow, networks } = grant;
      const lines = allow.map(lineText);
      const where = networks.length === 0 ? "" : ` in ${networks.join(", ")}`;
      return `of ${origin}${where}, ${identityOf(grant)}: ${lines.join(", ")}`;
    },
  },
  rules: RULES,
  // The HTTP client is 27 MB of the process.
  load: () => import("./open.ts"),
  async open(context: OpenContext<NetConfig>) {
    const { open } = await import("./open.ts");
    return open(context);
  },
  descriptors: ({ connections }: NetConfig) => connections + LOGIN_CONNECTIONS,
  footprint: ({ grants }: GrantContext<NetConfig>) => footprintOf([...grants.values()]),
  async check(context: GrantContext<NetConfig>) {
    const { checkFiles } = await import("./check.ts");
    return checkFiles(context);
  },
  async examine(context: ExamineContext<NetConfig>) {
    const { examineOrigins } = await import("./doctor.ts");
    return examineOrigins(context);
  },
} as const satisfies Capability;

/** The credentials that the host uses at an origin: their kind and files, not their content. */
function identityOf({ credential, tls }: NetConfig): string {
  const certificate = tls.client === undefined ? [] : [`with the certificate ${tls.client.certificate}`];
  const token = credential === undefined ? [] : [`with a token ${methodOf(credential).source(credential)}`];
  const all = [...token, ...certificate];
  return all.length === 0 ? "without credentials" : all.join(" and ");
}
