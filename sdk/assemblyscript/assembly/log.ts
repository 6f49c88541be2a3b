/** `kleidi:log`: lines of at most 1,024 bytes in the host's log. Plaintext and keys do not belong in them. */
import { toBlock } from "./extism";
import { finish, HostReply } from "./host";
import { log_write } from "./imports";
import { Writer } from "./protobuf";

export function debug(message: string): HostReply {
  return write(0, message);
}

export function info(message: string): HostReply {
  return write(1, message);
}

export function warn(message: string): HostReply {
  return write(2, message);
}

export function error(message: string): HostReply {
  return write(3, message);
}

function write(level: u32, message: string): HostReply {
  const request = toBlock(new Writer().uint32(1, level).string(2, message).finish());
  return finish(request, log_write(request));
}
