/** kleidi:pkcs11: encrypts and decrypts with keys of an HSM, whose module runs in a process of its own. */
import { exampleOf } from "../../schema/field.ts";
import type { Capability, ExamineContext, GrantContext, OpenContext } from "../capability.ts";
import { GRANT, type Pkcs11Config } from "./grant.ts";
import { REQUESTS } from "./requests.ts";
import { RULES } from "./rules.ts";

export const pkcs11 = {
  name: "pkcs11",
  requests: REQUESTS,
  waits: true,
  rules: RULES,
  grant: {
    schema: GRANT,
    line: () => `pkcs11: ${exampleOf(GRANT)}`,
    reach: ({ module, token, keys, foreign }: Pkcs11Config) => {
      const theirs = foreign.length === 0 ? [] : [`keys of another plugin ${foreign.join(", ")}`];
      const ours = keys.length === 0 ? [] : [`keys ${keys.join(", ")}`];
      return [`of token "${token}" of ${module}`, ...ours, ...theirs].join(", ");
    },
  },
  // The link to the module's process, and the pipe of its stderr.
  descriptors: () => 2,
  footprint: ({ grants }: GrantContext<Pkcs11Config>) => {
    const all = [...grants.values()];
    return {
      reads: all.flatMap(({ module, pin, reads }) => [module, pin.file, ...reads]),
      writes: all.flatMap(({ writes }) => writes),
      servers: all.flatMap(({ servers }) => servers),
    };
  },
  async open(context: OpenContext<Pkcs11Config>) {
    const { open } = await import("./open.ts");
    return open(context);
  },
  async check(context: GrantContext<Pkcs11Config>) {
    const { checkFiles } = await import("./check.ts");
    return checkFiles(context);
  },
  async examine(context: ExamineContext<Pkcs11Config>) {
    const { examineTokens } = await import("./doctor.ts");
    return examineTokens(context);
  },
} as const satisfies Capability;
