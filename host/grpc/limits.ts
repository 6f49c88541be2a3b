/**
 * Limits on the resources that one caller, and all callers together, can use. A caller that exceeds a limit loses its connection; an API
 * server then connects again and repeats its requests.
 */
export const LIMITS = {
  /** Connections that are served at once. An API server has one. A further connection replaces another one. */
  connections: 256,
  /** Connections that are never replaced: the first ones that got a reply. */
  kept: 128,
  /** Connections that can wait for their first reply before a new connection replaces the oldest of them. */
  unanswered: 64,
  /** Connections that are accepted and not served yet, in addition. */
  waiting: 1_024,
  /** Milliseconds for a client to send its HTTP/2 preface. */
  prefaceMs: 5_000,
  /** Milliseconds from the headers of a request to its end. */
  requestMs: 5_000,
  /** Milliseconds from the headers of a request until its reply is read; the call itself may take 2.4 s. */
  streamMs: 15_000,
  /** Concurrent requests of a new connection, and of one that got a reply. SETTINGS announces it, so that a client waits. */
  streamsAtFirst: 32,
  streamsPerConnection: 100,
  streams: 1_024,
  /** Bytes of unfinished requests, over all connections. */
  arrivingBytes: 8 << 20,
  /** The HTTP/2 flow-control window of a request, in bytes. */
  windowBytes: 16 << 10,
  /** Milliseconds since its last reply after which a connection is idle. The API server calls Status each minute. */
  idleMs: 180_000,
} as const;

/**
 * The allowance of a connection for traffic other than answered requests, in bytes: a start value, a higher one after the first reply, a rate
 * per second, and a maximum. It covers as many requests as SETTINGS allows. Frames that cost the host more than their bytes have a price.
 */
export const ALLOWANCE = {
  initial: 160 << 10,
  proven: 512 << 10,
  burst: 1 << 20,
  perSecond: 64 << 10,
  ping: 1 << 10,
  settings: 4 << 10,
  /** Refunded with the reply. */
  request: 4 << 10,
  answer: 12 << 10,
} as const;

/**
 * The rate at which waiting connections are served, the newest first: a burst, then one per interval. A connection that was closed for misuse
 * costs more: it made the host work for milliseconds, and its caller can connect again at once. `debt` limits how long others wait for that.
 */
export const ACCEPT_RATE = { burst: 16, everyMs: 10, perMisuse: 8, debt: 50 } as const;

/** The reasons why the host closes a connection, as the log states them. */
export const CLOSE_REASONS = {
  replaced: `at most ${LIMITS.connections} connections are served at once, and a new one replaced it`,
  waiting: `${LIMITS.waiting} connections were waiting, and it had waited the longest`,
  silent: `its HTTP/2 preface did not arrive within ${LIMITS.prefaceMs} ms`,
  unfinished: `a request did not end within ${LIMITS.requestMs} ms`,
  unread: `a reply was not read within ${LIMITS.streamMs} ms`,
  bytes: `the unfinished requests of all connections held over ${LIMITS.arrivingBytes} bytes, and one of its requests was the oldest`,
  streams: `over ${LIMITS.streams} requests were open on all connections, and it had at least its share: the most unread replies, the oldest unfinished request, or the most requests`,
  resets: "it opened more unanswered requests than its allowance",
  pings: "it sent more PING frames than its allowance",
  settings: "it sent more SETTINGS frames than its allowance",
  waste: `it sent over ${ALLOWANCE.burst} bytes at once, or ${ALLOWANCE.perSecond} per second, besides answered requests`,
  protocol: "it violated a rule or a limit of HTTP/2",
} as const;
export type CloseReason = keyof typeof CLOSE_REASONS;

/** The causes of a reset by HTTP/2 that the host does not see, as the log states them. */
export const UNSEEN_REQUEST =
  "a request to the socket was reset by HTTP/2 and not answered: its :authority is invalid (the path of a socket, for example), or another header is";
export const UNSEEN_REMEDY =
  'Kubernetes 1.29 and newer send a valid :authority; kleidi serves no older version. In another client, set the authority to "localhost" (grpc-go: grpc.WithAuthority("localhost")).';
