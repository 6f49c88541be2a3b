/** What every host call has in common: one request block out, one `HostReply` block back (docs/ABI.md, section 5). */
import { owed } from "./abort";
import { freeBlock, fromBlock } from "./extism";
import { Reader } from "./protobuf";

/** How a host call ended. */
export enum HostCode {
  OK = 0,
  /** Not in the manifest, not granted, or not for this RPC. The host voids the whole call, whatever is returned. */
  DENIED = 1,
  INVALID = 2,
  NOT_FOUND = 3,
  NOT_AUTHENTIC = 4,
  UNAVAILABLE = 5,
  /** A budget of this call is used up. */
  LIMIT = 6,
}

/** The answer to a host call. `body` is the result where `ok`; else `code` says why, and `message` is for the log. */
export class HostReply {
  code: u32 = 0;
  message: string = "";
  body: Uint8Array = new Uint8Array(0);

  get ok(): bool {
    return this.code === HostCode.OK;
  }

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

/** Takes the reply out of its block and gives both blocks back: `finish(request, keystore_seal(request))`. */
export function finish(request: u64, address: u64): HostReply {
  const bytes = fromBlock(address);
  freeBlock(request);
  freeBlock(address);
  return owed<HostReply>(HostReply.decode(bytes));
}
