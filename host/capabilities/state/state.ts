/** kleidi:state: small records by name, read at any time and created during provisioning only. */
import { StateGetRequestSchema, StatePutRequestSchema } from "../../../proto/provider/v1/provider_pb.ts";
import { answer, type HostAnswer, type HostCall, HostCode, refusal } from "../../host-call.ts";
import { denied, type Opened, type Plan } from "../capability.ts";
import type { StateDirectory } from "./directory.ts";
import type { StateGrant } from "./grant.ts";
import { MAX_VALUE } from "./record.ts";

export const REQUESTS = { get: StateGetRequestSchema, put: StatePutRequestSchema };

const DONE = answer(new Uint8Array());
const NEVER_MADE = refusal(HostCode.NOT_FOUND, "the record was never created");
const ALREADY_EXISTS = refusal(
  HostCode.INVALID,
  "there is a record of this name; records are never replaced",
);

export function openState(directory: StateDirectory): Opened<typeof REQUESTS, StateGrant> {
  return {
    requests: REQUESTS,
    decide: {
      get: ({ name }, call, grant) =>
        onRecord(name, call, grant, () => ({
          target: name,
          perform() {
            const value = directory.get(name);
            return value === undefined ? NEVER_MADE : answer(value);
          },
        })),
      put: ({ name, value }, call, grant) =>
        onRecord(name, call, grant, () => {
          if (call.rpc !== "provision") return denied(call, 'records are created by "kleidi key init" only');
          if (value.length === 0 || value.length > MAX_VALUE) {
            return refusal(
              HostCode.INVALID,
              `a record of ${value.length} bytes, 1 to ${MAX_VALUE} are possible`,
            );
          }
          return { target: name, perform: () => (directory.put(name, value) ? DONE : ALREADY_EXISTS) };
        }),
    },
  };
}

/** Denies a name that is not granted. The configuration has validated granted names, so only those become part of a path. */
function onRecord(
  name: string,
  call: HostCall,
  { names }: StateGrant,
  decide: () => Plan | HostAnswer,
): Plan | HostAnswer {
  if (names.includes(name)) return decide();
  return denied(call, `this record is not one of ${names.length} granted`);
}
