/** `kleidi:state`: small records by name, wrapped keys and the like. The operator grants the names. */
import { toBlock } from "./extism";
import { finish, HostReply } from "./host";
import { state_get, state_put } from "./imports";
import { Writer } from "./protobuf";

/** Body: the record; code NOT_FOUND where it was never made. */
export function get(name: string): HostReply {
  const request = toBlock(new Writer().string(1, name).finish());
  return finish(request, state_get(request));
}

/** Makes a record of 1 to 16,384 bytes. Only in `kleidi_provision`, and never over a record there is. */
export function put(name: string, value: Uint8Array): HostReply {
  const request = toBlock(new Writer().string(1, name).bytesValue(2, value).finish());
  return finish(request, state_put(request));
}
