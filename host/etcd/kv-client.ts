/** Reads keys of a running etcd: KV.Range of its API v3, over TLS. It sends no writes. */
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type ChannelCredentials,
  Client,
  type ClientOptions,
  credentials,
  type ServiceError,
} from "@grpc/grpc-js";
import {
  type RangeRequest,
  RangeRequestSchema,
  type RangeResponse,
  RangeResponseSchema,
} from "../../proto/etcd/v3/etcd_pb.ts";
import { cut, replaceControls } from "../lib/text.ts";
import { EtcdFault } from "./etcd-fault.ts";

const RANGE = "/etcdserverpb.KV/Range";
const PAGE = 100;
/** A page of values of 1.5 MiB, etcd's default limit. */
const MAX_BYTES = 160 << 20;
const TIMEOUT_MS = 30_000;
const MAX_REASON = 500;

/** The files of `etcdctl`, PEM. */
export interface EtcdTls {
  readonly ca?: Buffer | undefined;
  readonly certificate?: Buffer | undefined;
  readonly key?: Buffer | undefined;
}

interface Channel {
  readonly target: string;
  readonly channel: ChannelCredentials;
  readonly options: ClientOptions;
}

export interface KeyPage {
  readonly revision: number;
  /** Number of keys of the whole range. */
  readonly total: number;
  readonly pairs: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];
}

/**
 * @param endpoint "https://127.0.0.1:2379"; http only on a loopback address
 * @throws EtcdFault the endpoint is not a URL of etcd
 */
export function channelOf(endpoint: string, { ca, certificate, key }: EtcdTls): Channel {
  const { protocol, hostname, host, port, pathname } = new URL(endpoint);
  const isLoopback = /^(localhost|127\.[0-9.]+|\[::1\])$/.test(hostname);
  if (pathname !== "/" || (protocol !== "https:" && !(protocol === "http:" && isLoopback)))
    throw new EtcdFault(
      `${endpoint} is not https://host:port`,
      "Give the client URL of one member; http is accepted on a loopback address only.",
    );
  const target = port === "" ? `${hostname}:2379` : host;
  if (protocol === "http:") return { target, channel: credentials.createInsecure(), options: {} };
  const name = hostname.replace(/^\[(.*)\]$/, "$1");
  const channel = credentials.createSsl(ca ?? null, key ?? null, certificate ?? null, {
    checkServerIdentity: (_, peer) => checkServerIdentity(name, peer),
  });
  // grpc-js sends the host as the name of TLS, which cannot be an address. The check above is of the address.
  const options = isIP(name) === 0 ? {} : { "grpc.ssl_target_name_override": "localhost" };
  return { target, channel, options };
}

export class KvClient {
  readonly #client: Client;
  readonly #endpoint: string;

  /** @throws EtcdFault the endpoint is not a URL of etcd */
  constructor(endpoint: string, tls: EtcdTls) {
    const { target, channel, options } = channelOf(endpoint, tls);
    this.#endpoint = endpoint;
    this.#client = new Client(target, channel, { ...options, "grpc.max_receive_message_length": MAX_BYTES });
  }

  /**
   * Reads all keys with a prefix as of one revision, in pages.
   * @throws EtcdFault etcd does not answer, or denies the request
   */
  async *pages(prefix: string): AsyncGenerator<KeyPage> {
    let key: Uint8Array = Buffer.from(prefix);
    const rangeEnd = Buffer.from(prefix);
    rangeEnd[rangeEnd.length - 1] = (rangeEnd.at(-1) ?? 0) + 1;
    let revision = 0n;
    let total: number | undefined;
    let seen = 0;
    for (;;) {
      const request = create(RangeRequestSchema, { key, rangeEnd, limit: BigInt(PAGE), revision });
      const { kvs, more, header, count } = await this.#range(request);
      // The first page fixes the revision: the pages are of one state.
      if (revision === 0n) revision = header?.revision ?? 0n;
      total ??= Number(count);
      yield { revision: Number(revision), total, pairs: kvs };
      const last = kvs.at(-1)?.key;
      if (!more || last === undefined) return;
      seen += kvs.length;
      if (seen > total || Buffer.compare(last, key) < 0)
        throw new EtcdFault(`${this.#endpoint} repeats its keys`, "Give the client URL of an etcd.");
      key = Buffer.concat([last, Buffer.of(0)]);
    }
  }

  close(): void {
    this.#client.close();
  }

  #range(request: RangeRequest): Promise<RangeResponse> {
    return new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, response?: RangeResponse) => {
        if (response !== undefined) resolve(response);
        else reject(this.#fault(error));
      };
      this.#client.makeUnaryRequest(
        RANGE,
        (message: RangeRequest) => Buffer.from(toBinary(RangeRequestSchema, message)),
        (bytes: Buffer) => fromBinary(RangeResponseSchema, bytes, { readUnknownFields: false }),
        request,
        { deadline: Date.now() + TIMEOUT_MS },
        done,
      );
    });
  }

  #fault(error: ServiceError | null): EtcdFault {
    // Text of the other end, and lines of Node's own errors.
    const reason = cut(replaceControls((error?.details ?? "it did not answer").trim()), MAX_REASON);
    return new EtcdFault(
      `${this.#endpoint} does not return its keys: ${reason}`,
      "Check the endpoint, --cacert, --cert and --key: those of the API server's --etcd-… flags work.",
    );
  }
}
