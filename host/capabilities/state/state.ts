/** kleidi:state: small records by name, read at any time and made in provisioning only. */
import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { StateGetRequestSchema, StatePutRequestSchema } from "../../../proto/provider/v1/provider_pb.ts";
import { answer, type HostAnswer, type HostCall, HostCode, refusal } from "../../host-call.ts";
import type { Client, Operation, Plan } from "../gate.ts";
import type { StateDirectory } from "./directory.ts";
import { MAX_VALUE } from "./record.ts";

const DONE = answer(new Uint8Array());
const NEVER_MADE = refusal(HostCode.NOT_FOUND, "the record was never made");
const THERE_IS_ONE = refusal(HostCode.INVALID, "there is a record of this name; records are never replaced");

/** The operations of the capability. */
export function createState(directory: StateDirectory): Record<string, Operation> {
  return {
    get: (call, client) =>
      withRecord(call, client, StateGetRequestSchema, ({ name }) => ({
        target: name,
        perform() {
          const value = directory.get(name);
          return value === undefined ? NEVER_MADE : answer(value);
        },
      })),
    put: (call, client) =>
      withRecord(call, client, StatePutRequestSchema, ({ name, value }) => {
        if (call.rpc !== "provision") {
          return refusal(
            HostCode.DENIED,
            `kleidi:state put in ${call.rpc}: records are made by "kleidi key init" only`,
          );
        }
        if (value.length === 0 || value.length > MAX_VALUE) {
          return refusal(
            HostCode.INVALID,
            `a record of ${value.length} bytes, 1 to ${MAX_VALUE} are possible`,
          );
        }
        return { target: name, perform: () => (directory.put(name, value) ? DONE : THERE_IS_ONE) };
      }),
  };
}

function withRecord<Request extends DescMessage>(
  call: HostCall,
  client: Client,
  schema: Request,
  decide: (request: MessageShape<Request> & { name: string }) => Plan | HostAnswer,
): Plan | HostAnswer {
  let request: MessageShape<Request> & { name: string };
  try {
    request = fromBinary(schema, call.request) as typeof request;
  } catch {
    return refusal(HostCode.INVALID, `the request is no ${schema.name}`);
  }
  // What is granted is a name that the configuration took for one: no path can be made of anything else.
  const granted = client.grants.state?.names ?? [];
  if (granted.includes(request.name)) return decide(request);
  return refusal(
    HostCode.DENIED,
    `kleidi:state ${call.operation} in ${call.rpc}: this record is not one of ${granted.length} granted`,
  );
}
