/** The requests of providers to the gate, and the behaviour of operations and of the witness, as a script. */
import fc from "fast-check";
import type { Client } from "../../host/capabilities/gate.ts";
import type { Grants } from "../../host/capabilities/policy.ts";
import { HostCode, type Rpc } from "../../host/host-call.ts";

/** The next two are members of every object's prototype. */
const WORDS = [
  "keystore",
  "state",
  "log",
  "seal",
  "get",
  "put",
  "write",
  "__proto__",
  "constructor",
  "toString",
  "",
] as const;
const RPCS: readonly Rpc[] = ["status", "encrypt", "decrypt", "provision"];
export const MAX_BODY = 65_536;

/** The behaviour of an operation. */
export type Behaviour =
  | {
      readonly kind: "performs";
      readonly how: "now" | "later" | "throws" | "rejects" | "never";
      readonly size: number;
    }
  | { readonly kind: "answers"; readonly code: number }
  | { readonly kind: "throws" };
export interface Asked {
  readonly provider: string;
  readonly rpc: Rpc;
  readonly capability: string;
  readonly operation: string;
  readonly ordinal: number;
  readonly does: Behaviour;
  readonly witness: "hears" | "throws at the decision" | "throws at the outcome";
  readonly aborted: "no" | "before" | "while it is performed";
}

const word = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("keystore", "state", "log") },
  { weight: 1, arbitrary: fc.constantFrom(...WORDS) },
);
const operation = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("seal", "get", "write") },
  { weight: 1, arbitrary: fc.constantFrom(...WORDS) },
);
const rpc = fc.constantFrom(...RPCS);
const request = fc.record({
  capability: word,
  operations: fc.array(operation, { maxLength: 3 }),
  rpcs: fc.array(rpc, { maxLength: 4 }),
});
const rpcs = fc.option(fc.array(rpc, { maxLength: 3 }), { nil: undefined });
const grants = fc.record(
  {
    keystore: fc.record({ keys: fc.constant(["k"]), rpcs }),
    state: fc.record({ names: fc.constant(["n"]), rpcs }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Grants>;
/** The grants that the script's operations need, without restrictions. */
const ALL = [
  ["keystore", "seal"],
  ["state", "get"],
  ["log", "write"],
] as const;
const generous = ALL.map(([capability, operation]) => ({
  capability,
  operations: [operation],
  rpcs: [...RPCS],
}));
const client: fc.Arbitrary<Client> = fc.record({
  requests: fc.oneof(
    { weight: 2, arbitrary: fc.constant(generous) },
    { weight: 1, arbitrary: fc.array(request, { maxLength: 5 }) },
  ),
  grants: fc.oneof(
    { weight: 2, arbitrary: fc.constant<Grants>({ keystore: { keys: ["k"] }, state: { names: ["n"] } }) },
    { weight: 1, arbitrary: grants },
  ),
  hostCalls: fc.integer({ min: 2, max: 4 }),
  hostCallsPerMinute: fc.integer({ min: 1, max: 5 }),
});
const what = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...ALL) },
  { weight: 1, arbitrary: fc.tuple(word, operation) },
);
const does: fc.Arbitrary<Behaviour> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("performs" as const),
      how: fc.constantFrom(
        "now" as const,
        "now" as const,
        "later" as const,
        "later" as const,
        "throws" as const,
        "rejects" as const,
        "never" as const,
      ),
      size: fc.constantFrom(0, 1, MAX_BODY, MAX_BODY + 1),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("answers" as const),
      code: fc.constantFrom(...Object.values(HostCode)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("throws" as const) }) },
);
const asked: fc.Arbitrary<Asked> = fc
  .record({
    what,
    provider: fc.constantFrom("a", "a", "a", "b", "b", "c", "__proto__"),
    rpc,
    ordinal: fc.integer({ min: 1, max: 5 }),
    does,
    witness: fc.constantFrom(
      "hears" as const,
      "hears" as const,
      "hears" as const,
      "throws at the decision" as const,
      "throws at the outcome" as const,
    ),
    aborted: fc.constantFrom(
      "no" as const,
      "no" as const,
      "no" as const,
      "before" as const,
      "while it is performed" as const,
    ),
  })
  .map(({ what: [capability, operation], ...rest }) => ({ ...rest, capability, operation }));
export const script = fc.record({
  a: client,
  b: client,
  calls: fc.array(asked, { minLength: 1, maxLength: 12 }),
});

/** Whether manifest and grant allow it: a second implementation of the rules of docs/ABI.md. */
export function isAllowed(call: Asked, client: Client | undefined): boolean {
  const exists = { keystore: ["seal"], state: ["get"], log: ["write"] };
  const known = Object.entries(exists).some(
    ([name, operations]) => name === call.capability && operations.includes(call.operation),
  );
  if (client === undefined || !known) return false;
  const requested = client.requests.some(
    (row) =>
      row.capability === call.capability &&
      row.operations.includes(call.operation) &&
      row.rpcs.includes(call.rpc),
  );
  if (!requested) return false;
  if (call.capability === "log") return true;
  const grant: { readonly rpcs?: readonly string[] } | undefined =
    call.capability === "keystore" ? client.grants.keystore : client.grants.state;
  if (grant === undefined) return false;
  return call.rpc === "provision" || grant.rpcs === undefined || grant.rpcs.includes(call.rpc);
}
