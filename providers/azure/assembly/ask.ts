/** One request to a vault, and the object of its answer. Null always means that a trouble was noted. */
import {
  FailureCode,
  JsonObject,
  JsonValue,
  json,
  NetHeader,
  net,
  trouble,
} from "../../../sdk/assemblyscript/assembly";
import { decodeUrl, encodeUrl } from "./base64url";
import { KeyName, Version } from "./name";
import { Refusal } from "./refusal";

/** `path`: of the key, or of the list of its versions. */
export function read(name: KeyName, path: string): JsonValue | null {
  return ask("GET", path, [], new Uint8Array(0), new Refusal(name, "read"));
}

/** Wraps or unwraps a key. `operation`: "wrapkey" or "unwrapkey". */
export function useKey(
  name: KeyName,
  version: Version,
  operation: string,
  value: Uint8Array,
): Uint8Array | null {
  const refusal = new Refusal(name, operation === "wrapkey" ? "encrypt" : "decrypt");
  const body = new JsonObject().text("alg", version.algorithm).text("value", encodeUrl(value)).finish();
  const headers = [new NetHeader("content-type", "application/json")];
  const answer = ask("POST", name.path("/" + version.id + "/" + operation), headers, body, refusal);
  if (answer == null) return null;
  const bytes = decodeUrl(answer.textOf("value"));
  if (bytes != null && bytes.length > 0 && name.idIn(answer.textOf("kid")) === version.id) return bytes;
  trouble(
    FailureCode.FAULT,
    `Cannot ${refusal.action}: the answer of the vault is not a key that the version ${version.id} ${operation === "wrapkey" ? "wrapped" : "unwrapped"}`,
  );
  return null;
}

function ask(
  method: string,
  path: string,
  headers: NetHeader[],
  body: Uint8Array,
  refusal: Refusal,
): JsonValue | null {
  const response = net.ask(method, path, headers, body, refusal.action);
  if (response == null) return null;
  const document = json.parse(response.body);
  if (response.status !== 200) {
    refusal.explain(response, document);
    return null;
  }
  if (document != null && document.members().next()) return document;
  trouble(
    FailureCode.FAULT,
    `Cannot ${refusal.action}: the answer (${response.kind}) is not a JSON object; is the grant's origin a vault?`,
  );
  return null;
}
