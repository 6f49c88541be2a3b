/** `kleidi:state`: small records by name, such as wrapped keys. The operator grants the names. */
import { toBlock } from "./extism";
import { finish, HostReply } from "./host";
import { state_get, state_put } from "./imports";
import { Writer } from "./protobuf";

/**
 * Reads a record.
 *
 * @param name a granted name; DENIED for any other one, which voids the call
 * @returns a reply; `body` is the record, 1 to 16,384 bytes
 * @throws Nothing. The reply's `code` reports a failure: NOT_FOUND if the record does not exist, UNAVAILABLE if it cannot be read.
 * @example
 * ```ts
 * const record = state.get("kek");
 * if (!record.ok) failFrom<StatusReply>(record, "read the key's record");
 * ```
 */
export function get(name: string): HostReply {
  const request = toBlock(new Writer().string(1, name).finish());
  return finish(request, state_get(request));
}

/**
 * Creates a record. Only for `provision`; never overwrites one.
 *
 * @param name a granted name; DENIED for any other one, which voids the call
 * @param value 1 to 16,384 bytes
 * @returns a reply without a body
 * @throws Nothing. The reply's `code` reports a failure: INVALID if the record exists, UNAVAILABLE if it cannot be written.
 * @example
 * ```ts
 * const put = state.put("kek", utf8("wrapped key"));
 * ```
 */
export function put(name: string, value: Uint8Array): HostReply {
  const request = toBlock(new Writer().string(1, name).bytesValue(2, value).finish());
  return finish(request, state_put(request));
}
