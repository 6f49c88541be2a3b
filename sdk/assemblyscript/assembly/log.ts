/** `kleidi:log`: lines in the host's log under the provider's name. Never log plaintext or keys. */
import { toBlock } from "./extism";
import { finish, HostReply } from "./host";
import { log_write } from "./imports";
import { Writer } from "./protobuf";

/**
 * Writes one line of level debug.
 *
 * @param message at most 1,024 bytes of UTF-8; a longer one is cut
 * @returns a reply without a body, usually ignored
 * @throws Nothing. The reply's `code` reports a failure: LIMIT after 64 lines in a call, unless configured otherwise.
 * @example
 * ```ts
 * log.debug("derived the key of format 1");
 * ```
 */
export function debug(message: string): HostReply {
  return write(0, message);
}

/**
 * Writes one line of level info.
 *
 * @param message at most 1,024 bytes of UTF-8; a longer one is cut
 * @returns a reply without a body, usually ignored
 * @throws Nothing. The reply's `code` reports a failure: LIMIT after 64 lines in a call, unless configured otherwise.
 * @example
 * ```ts
 * log.info("the KMS has a new version");
 * ```
 */
export function info(message: string): HostReply {
  return write(1, message);
}

/**
 * Writes one line of level warn.
 *
 * @param message at most 1,024 bytes of UTF-8; a longer one is cut
 * @returns a reply without a body, usually ignored
 * @throws Nothing. The reply's `code` reports a failure: LIMIT after 64 lines in a call, unless configured otherwise.
 * @example
 * ```ts
 * log.warn("the KMS answered without a date");
 * ```
 */
export function warn(message: string): HostReply {
  return write(2, message);
}

/**
 * Writes one line of level error.
 *
 * @param message at most 1,024 bytes of UTF-8; a longer one is cut
 * @returns a reply without a body, usually ignored
 * @throws Nothing. The reply's `code` reports a failure: LIMIT after 64 lines in a call, unless configured otherwise.
 * @example
 * ```ts
 * log.error("the KMS answered a malformed version");
 * ```
 */
export function error(message: string): HostReply {
  return write(3, message);
}

function write(level: u32, message: string): HostReply {
  const request = toBlock(new Writer().uint32(1, level).string(2, message).finish());
  return finish(request, log_write(request));
}
