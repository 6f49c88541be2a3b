/** One request to Transit, and the "data" of its answer. Null always means that a trouble was noted. */
import {
  FailureCode,
  HostReply,
  JsonObject,
  JsonValue,
  json,
  NetHeader,
  net,
} from "../../../sdk/assemblyscript/assembly";
import { Place } from "./place";
import { describe, Refusal } from "./refusal";
import { hostTrouble, trouble } from "./trouble";

/** Every request has it: a listener of Vault Agent with `require_request_header` refuses others. */
function requestHeader(): NetHeader {
  return new NetHeader("x-vault-request", "true");
}

/** `GET keys/KEY`. */
export function readKey(place: Place): JsonValue | null {
  const reply = net.request("GET", place.path("keys"), [requestHeader()], new Uint8Array(0));
  return dataOf(reply, new Refusal(place, "keys"));
}

/** `operation`: "encrypt" or "decrypt", with the version `number`. No message may repeat the text `withheld`. */
export function useKey(
  place: Place,
  operation: string,
  number: u32,
  body: JsonObject,
  withheld: string,
): JsonValue | null {
  const headers = [requestHeader(), new NetHeader("content-type", "application/json")];
  const reply = net.request("POST", place.path(operation), headers, body.finish());
  const refusal = new Refusal(place, operation);
  refusal.number = number;
  refusal.withheld = withheld;
  return dataOf(reply, refusal);
}

function dataOf(reply: HostReply, refusal: Refusal): JsonValue | null {
  if (!reply.ok) {
    hostTrouble(reply, refusal.action);
    return null;
  }
  const response = net.responseOf(reply);
  if (response == null) {
    trouble(FailureCode.FAULT, `Cannot ${refusal.action}: the host's answer is not a valid response`);
    return null;
  }
  const document = json.parse(response.body);
  if (response.status < 200 || response.status > 299) {
    refusal.explain(response, document);
    return null;
  }
  if (document != null) {
    const data = document.get("data");
    if (data != null && data.members().next()) return data;
  }
  const what = document == null ? "not JSON" : `JSON without "data"`;
  const message = `Cannot ${refusal.action}: the answer (${describe(response)}) is ${what}; is the grant's origin a Vault or OpenBao?`;
  trouble(FailureCode.FAULT, message);
  return null;
}
