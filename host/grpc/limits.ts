/**
 * How much of the host one caller, and all of them, can hold or use up. Everything has an end, and who goes over it loses the connection:
 * an API server connects again, and what it asked is asked again.
 */
export const LIMITS = {
  /** At once. An API server has one; more are accepted, each in the place of another one. */
  connections: 256,
  /** Of these, how many keep their place whoever comes: the ones that were answered first. */
  kept: 128,
  /** Of these, how many can wait for their first answer before the oldest of them makes way for a new one. */
  unanswered: 64,
  /** Beside them, not read yet: they wait for their turn. */
  waiting: 1_024,
  /** Milliseconds until a client's HTTP/2 preface is there. */
  prefaceMs: 5_000,
  /** Milliseconds from a request's headers to its end. */
  requestMs: 5_000,
  /** Milliseconds from a request's headers until its answer was taken; what a call may take itself is 2.4 s. */
  streamMs: 15_000,
  /** Requests at once of a new connection, and of one of which a request was answered: SETTINGS says it, so that a client waits. */
  streamsAtFirst: 32,
  streamsPerConnection: 100,
  streams: 1_024,
  /** Of requests whose end is not there yet, over all connections. */
  arrivingBytes: 8 << 20,
  /** What can arrive of a request that is not read yet. */
  windowBytes: 16 << 10,
  /** Of a connection's last answer, milliseconds: the API server asks Status each minute. */
  idleMs: 180_000,
} as const;

/**
 * What a connection may cost beside requests that are answered, in bytes: so much at its begin, more once a request was answered, so much
 * again each second, and never more than so much at once. It pays for as many requests as SETTINGS allows. What costs the host more than its bytes has a price.
 */
export const ALLOWANCE = {
  initial: 160 << 10,
  proven: 512 << 10,
  burst: 1 << 20,
  perSecond: 64 << 10,
  ping: 1 << 10,
  settings: 4 << 10,
  /** Given back with its answer. */
  request: 4 << 10,
  answer: 12 << 10,
} as const;

/**
 * How fast connections are taken up, the newest first: so many at once, then one in so many milliseconds. One that was closed for what it
 * did has used up more turns: it made the host work for milliseconds, and can connect again at once. Nobody waits for longer than for so much debt.
 */
export const TURNS = { burst: 16, everyMs: 10, perMisuse: 8, debt: 50 } as const;

/** Why the host closed a connection, for the log. */
export const CLOSE_REASONS = {
  replaced: `at most ${LIMITS.connections} are served at once, and a new one took its place`,
  waiting: `${LIMITS.waiting} connections wait for their turn, and it waited for the longest`,
  silent: `its HTTP/2 preface was not there within ${LIMITS.prefaceMs} ms`,
  unfinished: `a request's end was not there within ${LIMITS.requestMs} ms`,
  unread: `an answer was not taken within ${LIMITS.streamMs} ms`,
  bytes: `requests that had not ended held over ${LIMITS.arrivingBytes} bytes together, and one of its was waited for the longest`,
  streams: `over ${LIMITS.streams} requests were open together, and it had its share of them or more: the most answers that were not taken, the ones that were waited for the longest, or the most`,
  resets: "it opened more requests that were not answered than it may",
  pings: "it sent more PINGs than it may",
  settings: "it sent more SETTINGS than it may",
  waste: `what it sent beside requests was over ${ALLOWANCE.burst} bytes at once or ${ALLOWANCE.perSecond} each second`,
  protocol: "it broke a rule or a limit of HTTP/2",
} as const;
export type CloseReason = keyof typeof CLOSE_REASONS;
