/** One request to Transit, and the "data" of its answer. Null always means that a trouble was noted. */
import {
  FailureCode,
  JsonObject,
  JsonValue,
  json,
  NetHeader,
  NetResponse,
  net,
  trouble,
} from "../../../sdk/assemblyscript/assembly";
import { Place } from "./place";
import { Refusal } from "./refusal";

/** Every request has it: a listener of Vault Agent with `require_request_header` refuses others. */
function requestHeader(): NetHeader {
  return new NetHeader("x-vault-request", "true");
}

/** `GET keys/KEY`. */
export function readKey(place: Place): JsonValue | null {
  const refusal = new Refusal(place, "keys");
  const path = place.path("keys");
  return dataOf(net.ask("GET", path, [requestHeader()], new Uint8Array(0), refusal.action), refusal);
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
  const refusal = new Refusal(place, operation);
  refusal.number = number;
  refusal.withheld = withheld;
  return dataOf(net.ask("POST", place.path(operation), headers, body.finish(), refusal.action), refusal);
}

function dataOf(response: NetResponse | null, refusal: Refusal): JsonValue | null {
  if (response == null) return null;
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
  const message = `Cannot ${refusal.action}: the answer (${response.kind}) is ${what}; is the grant's origin a Vault or OpenBao?`;
  trouble(FailureCode.FAULT, message);
  return null;
}
