/** One request to KMS over the AWS JSON 1.1 protocol, and the object of its answer. Null always means that a trouble was noted. */
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
import { KeyName } from "./name";
import { Refusal } from "./refusal";

/** `operation`: of TrentService, the internal name of KMS in its protocol. */
export function ask(name: KeyName, operation: string, body: JsonObject): JsonValue | null {
  const headers = [
    new NetHeader("content-type", "application/x-amz-json-1.1"),
    new NetHeader("x-amz-target", "TrentService." + operation),
  ];
  const refusal = new Refusal(name, operation);
  const response = net.ask("POST", "/", headers, body.finish(), refusal.action);
  if (response == null) return null;
  const document = json.parse(response.body);
  if (response.status !== 200) {
    refusal.explain(response.status, document);
    return null;
  }
  if (document != null && document.members().next()) return document;
  trouble(
    FailureCode.FAULT,
    `Cannot ${refusal.action}: the answer (${response.kind}) is not a JSON object; is the grant's origin an endpoint of KMS?`,
  );
  return null;
}

/** The encryption context, which KMS binds under its cipher and writes to CloudTrail: the associated data names provider and key id. */
export function contextOf(associatedData: Uint8Array): string {
  return new JsonObject().text("kleidi", base64.encode(associatedData)).toString();
}
