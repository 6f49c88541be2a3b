/** Status: the version is always "v1", unless the key's name selects a fault. */
import { FailureCode, fail, StatusReply, StatusRequest } from "../../../../sdk/assemblyscript/assembly";
import { sendStatus } from "../../../../sdk/assemblyscript/assembly/exchange";
import * as harm from "./harm";

export function status(request: StatusRequest): i32 {
  const key = request.key;
  if (key === "status-trap") harm.trap();
  if (key === "status-loop") harm.loop();
  if (key === "status-no-reply") return 0;
  if (key === "status-fail") {
    return sendStatus(fail<StatusReply>(FailureCode.KEY_UNUSABLE, "CANARY-backend-text"));
  }
  // The field is omitted from the reply; a reply without fields has no bytes, so another version is set.
  if (key === "status-empty-version") {
    const reply = new StatusReply("");
    reply.older_versions.push("v0");
    return sendStatus(reply);
  }
  if (key === "status-long-version") return sendStatus(new StatusReply("v".repeat(129)));
  return sendStatus(new StatusReply("v1"));
}
