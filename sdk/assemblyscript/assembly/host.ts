/** The frame of every host call: one request block out, one `HostReply` block back (docs/ABI.md, section 5). */
import { owed } from "./abort";
import { freeBlock, fromBlock } from "./extism";
import { Reader } from "./protobuf";

/**
 * The result of a host call.
 *
 * @example
 * ```ts
 * const record = state.get("kek");
 * if (record.code === HostCode.NOT_FOUND) log.info("the key does not exist yet");
 * ```
 */
export enum HostCode {
  /** `body` is the result. */
  OK = 0,
  /** Not in the manifest, not granted, or not for this RPC. The host voids the whole call, whatever is returned. */
  DENIED = 1,
  /** The request, or one of its fields, is not acceptable. */
  INVALID = 2,
  /** The thing that the request names does not exist. */
  NOT_FOUND = 3,
  /** Sealed bytes do not open with this key, version and associated data; in `net`, the server refused the host's login. */
  NOT_AUTHENTIC = 4,
  /** The host cannot do it now. */
  UNAVAILABLE = 5,
  /** A budget of this call is used up. */
  LIMIT = 6,
}

/**
 * The answer to a host call.
 *
 * @example
 * ```ts
 * const random = crypto.random(32);
 * if (!random.ok) fail<EncryptReply>(FailureCode.FAULT, `Cannot make a nonce: ${random.message}`);
 * ```
 */
export class HostReply {
  /** A `HostCode`. */
  code: u32 = 0;
  /** For the log, if not `ok`. */
  message: string = "";
  /** The result, if `ok`; at most 65,536 bytes. */
  body: Uint8Array = new Uint8Array(0);

  /** True if the host call succeeded. */
  get ok(): bool {
    return this.code === HostCode.OK;
  }

  /** @internal Reads the message `HostReply`; null if it is malformed. */
  static decode(bytes: Uint8Array): HostReply | null {
    const reader = new Reader(bytes);
    const it = new HostReply();
    while (reader.next()) {
      if (reader.field === 1) it.code = reader.uint32();
      else if (reader.field === 2) it.message = reader.string();
      else if (reader.field === 3) it.body = reader.bytesValue();
      else reader.skip();
    }
    return reader.ok ? it : null;
  }
}

/** Reads the reply from its block and frees both blocks: `finish(request, keystore_seal(request))`. */
export function finish(request: u64, address: u64): HostReply {
  const bytes = fromBlock(address);
  freeBlock(request);
  freeBlock(address);
  return owed<HostReply>(HostReply.decode(bytes));
}
