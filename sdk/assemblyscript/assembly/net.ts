/** `kleidi:net`: requests to the one origin that the operator granted. The host adds the credential and follows no redirect. */
import { decimal } from "./bytes";
import { toBlock } from "./extism";
import { FailureCode } from "./failure";
import { finish, HostReply } from "./host";
import { net_request } from "./imports";
import { Reader, Writer } from "./protobuf";
import { hostTrouble, trouble } from "./trouble";

/**
 * A header of a request or a response.
 *
 * @param name lower case
 * @param value at most 1,024 printable ASCII characters
 * @example
 * ```ts
 * const accept = new NetHeader("accept", "application/json");
 * ```
 */
export class NetHeader {
  constructor(
    /** Lower case. */
    public name: string = "",
    /** At most 1,024 printable ASCII characters. */
    public value: string = "",
  ) {}

  /** @internal Reads the message `NetHeader`; null if it is malformed. */
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

  /** @internal The message `NetHeader`. */
  encode(): Uint8Array {
    return new Writer().string(1, this.name).string(2, this.value).finish();
  }
}

/**
 * A server's response. A redirect is a response like any other.
 *
 * @example
 * ```ts
 * const response = net.responseOf(net.request("GET", "/v1/health", [], new Uint8Array(0)));
 * if (response != null && response.status === 200) log.info(response.header("date"));
 * ```
 */
export class NetResponse {
  /** 200 to 599. */
  status: u32 = 0;
  /** `content-type`, `date`, `retry-after` and the headers that the grant names. */
  headers: NetHeader[] = [];
  /** At most as many bytes as the grant allows. */
  body: Uint8Array = new Uint8Array(0);

  /**
   * Returns the value of a header.
   *
   * @param name lower case
   * @returns the value; "" if the response or the grant has no such header
   */
  header(name: string): string {
    for (let i = 0; i < this.headers.length; i++) {
      if (this.headers[i].name === name) return this.headers[i].value;
    }
    return "";
  }

  /** Describes the response for a message, by status and type: they distinguish a proxy from the server. */
  get kind(): string {
    const type = this.header("content-type");
    return `status ${decimal(this.status)}, ${type.length > 0 ? type.slice(0, 80) : "no content-type"}`;
  }

  /** @internal Reads the message `NetResponse`; null if it is malformed. */
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
 * Sends one request to the granted origin. It should be safe to send twice: after a 401 or 403 the host may log in again and repeat it.
 *
 * @param method "GET", "POST", "PUT", "PATCH", "DELETE" or "HEAD", as the grant lists it
 * @param path 1 to 1,024 characters from "/"; no percent sign, query or fragment
 * @param headers at most 16, each name once
 * @param body empty for GET, HEAD and DELETE
 * @returns a reply, `ok` for every response that the server sent; `responseOf` reads it
 * @throws Nothing. The reply's `code` reports a failure: UNAVAILABLE if no response came or the host does not accept it, NOT_AUTHENTIC if the server refused the host's login, LIMIT for a body over the grant's limit. DENIED, for a request that the grant does not allow, voids the call.
 * @example
 * ```ts
 * const reply = net.request("POST", "/v1/transit/encrypt/kek", [], new JsonObject().text("plaintext", "c2VlZA==").finish());
 * if (!reply.ok) failFrom<EncryptReply>(reply, "ask the KMS");
 * ```
 */
export function request(method: string, path: string, headers: NetHeader[], body: Uint8Array): HostReply {
  const message = new Writer().string(1, method).string(2, path);
  for (let i = 0; i < headers.length; i++) message.element(3, headers[i].encode());
  const block = toBlock(message.bytesValue(4, body).finish());
  return finish(block, net_request(block));
}

/**
 * Reads the response from the reply of `request`.
 *
 * @param reply a reply of `request`
 * @returns the response; null if the reply has none
 * @throws Nothing.
 * @example
 * ```ts
 * const response = net.responseOf(net.request("GET", "/v1/keys/kek", [], new Uint8Array(0)));
 * if (response == null) log.warn("no response");
 * ```
 */
export function responseOf(reply: HostReply): NetResponse | null {
  return reply.ok ? NetResponse.decode(reply.body) : null;
}

/**
 * Sends one request as `request` does, and reads the response.
 *
 * @param method as of `request`
 * @param path as of `request`
 * @param headers as of `request`
 * @param body as of `request`
 * @param action completes the sentence "Cannot …", for the trouble
 * @returns the response, with any status; null after a trouble was noted
 * @throws Nothing.
 * @example
 * ```ts
 * const response = net.ask("GET", "/v1/keys/kek", [], new Uint8Array(0), "read the key");
 * if (response == null) failed<StatusReply>();
 * ```
 */
export function ask(
  method: string,
  path: string,
  headers: NetHeader[],
  body: Uint8Array,
  action: string,
): NetResponse | null {
  const reply = request(method, path, headers, body);
  if (!reply.ok) {
    hostTrouble(reply, action);
    return null;
  }
  const response = responseOf(reply);
  if (response == null)
    trouble(FailureCode.FAULT, `Cannot ${action}: the host's answer is not a valid response`);
  return response;
}
