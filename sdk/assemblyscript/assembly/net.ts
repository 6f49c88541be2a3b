/** `kleidi:net`: requests to the one origin that the operator granted. The host adds the credential and follows no redirect. */
import { toBlock } from "./extism";
import { finish, HostReply } from "./host";
import { net_request } from "./imports";
import { Reader, Writer } from "./protobuf";

export class NetHeader {
  /** `name` in lower case. */
  constructor(
    public name: string = "",
    public value: string = "",
  ) {}

  static decode(bytes: Uint8Array): NetHeader | null {
    const reader = new Reader(bytes);
    const it = new NetHeader();
    while (reader.next()) {
      if (reader.field === 1) it.name = reader.string();
      else if (reader.field === 2) it.value = reader.string();
      else reader.skip();
    }
    return reader.ok ? it : null;
  }

  encode(): Uint8Array {
    return new Writer().string(1, this.name).string(2, this.value).finish();
  }
}

export class NetResponse {
  /** 200 to 599. */
  status: u32 = 0;
  headers: NetHeader[] = [];
  body: Uint8Array = new Uint8Array(0);

  /** The value of a header, its name in lower case; "" where the response, or the grant, has none of that name. */
  header(name: string): string {
    for (let i = 0; i < this.headers.length; i++) {
      if (this.headers[i].name === name) return this.headers[i].value;
    }
    return "";
  }

  static decode(bytes: Uint8Array): NetResponse | null {
    const reader = new Reader(bytes);
    const it = new NetResponse();
    while (reader.next()) {
      if (reader.field === 1) it.status = reader.uint32();
      else if (reader.field === 2) {
        const header = NetHeader.decode(reader.bytesValue());
        if (header == null) reader.ok = false;
        else it.headers.push(header);
      } else if (reader.field === 3) it.body = reader.bytesValue();
      else reader.skip();
    }
    return reader.ok ? it : null;
  }
}

/**
 * One request, which SHOULD be safe to make twice: after a 401 or 403 the host may log in anew and send it again. Whatever the
 * server answers is a success; `responseOf` reads it. Code UNAVAILABLE where there is no answer that can be had or believed.
 */
export function request(method: string, path: string, headers: NetHeader[], body: Uint8Array): HostReply {
  const message = new Writer().string(1, method).string(2, path);
  for (let i = 0; i < headers.length; i++) message.element(3, headers[i].encode());
  const block = toBlock(message.bytesValue(4, body).finish());
  return finish(block, net_request(block));
}

/** The response in the reply of `request`; null where there is none. */
export function responseOf(reply: HostReply): NetResponse | null {
  return reply.ok ? NetResponse.decode(reply.body) : null;
}
