/** One request to KMS over REST, and the object of its answer. Null always means that a trouble was noted. */
import {
  base64,
  FailureCode,
  JsonObject,
  JsonValue,
  json,
  NetHeader,
  net,
  trouble,
} from "../../../sdk/assemblyscript/assembly";
import { crc32c } from "./checksum";
import { KeyName } from "./name";
import { Refusal } from "./refusal";

/** `GET` of the key. */
export function readKey(name: KeyName): JsonValue | null {
  return ask("GET", name.text, [], new Uint8Array(0), new Refusal(name, "read"));
}

/** `resource`: the key, or a version of it. */
export function useKey(
  resource: string,
  operation: string,
  body: JsonObject,
  refusal: Refusal,
): JsonValue | null {
  const headers = [new NetHeader("content-type", "application/json")];
  return ask("POST", resource + ":" + operation, headers, body.finish(), refusal);
}

/** Writes bytes with their checksum, which KMS compares. */
export function addChecked(body: JsonObject, name: string, bytes: Uint8Array): void {
  body.text(name, base64.encode(bytes)).text(name + "Crc32c", crc32c(bytes));
}

/** Reads bytes that fit their checksum. */
export function checkedBytes(answer: JsonValue, name: string, refusal: Refusal): Uint8Array | null {
  const bytes = base64.decode(answer.textOf(name));
  if (bytes == null) {
    trouble(
      FailureCode.FAULT,
      `Cannot ${refusal.action}: the ${name} in the answer of KMS is not valid base64`,
    );
    return null;
  }
  if (answer.textOf(name + "Crc32c") === crc32c(bytes)) return bytes;
  refusal.changed("the answer");
  return null;
}

function ask(
  method: string,
  resource: string,
  headers: NetHeader[],
  body: Uint8Array,
  refusal: Refusal,
): JsonValue | null {
  const response = net.ask(method, "/v1/" + resource, headers, body, refusal.action);
  if (response == null) return null;
  const document = json.parse(response.body);
  if (response.status !== 200) {
    refusal.explain(response, document);
    return null;
  }
  if (document != null && document.members().next()) return document;
  trouble(
    FailureCode.FAULT,
    `Cannot ${refusal.action}: the answer (${response.kind}) is not a JSON object; is the grant's origin an endpoint of KMS?`,
  );
  return null;
}
