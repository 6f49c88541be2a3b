/**
 * Every failure that leaves a room of the host is a KleidiError: a code of the one table below, a sentence that names the
 * action, the limit and the actual value, and a cause that stays in the log.
 */

/** The gRPC status codes that kleidi answers with, by name. */
export const Grpc = {
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** `grpc` is absent where the code can only come from a command, never from an RPC. `hint` says what to do next. */
interface Row {
  readonly grpc?: number;
  readonly hint: string;
}

/** The error table; docs/errors.md is generated from it. */
export const ERRORS = {
  "request-invalid": {
    grpc: Grpc.INVALID_ARGUMENT,
    hint: "The caller sent something that no API server sends. Find the other program that uses the socket.",
  },
  "request-too-large": {
    grpc: Grpc.RESOURCE_EXHAUSTED,
    hint: "KMS v2 sends DEK seeds of 32 bytes; kleidi encrypts up to 512. Find the other program that uses the socket.",
  },
  "ciphertext-invalid": {
    grpc: Grpc.INVALID_ARGUMENT,
    hint: "The stored object was not encrypted by this key and provider name, or was changed in etcd. Was the provider renamed? Compare with a backup of etcd.",
  },
  "annotations-invalid": {
    grpc: Grpc.INVALID_ARGUMENT,
    hint: "The stored object's annotations are not the ones that kleidi returned. Compare with a backup of etcd.",
  },
  "key-unknown": {
    grpc: Grpc.NOT_FOUND,
    hint: 'No configured key has this key_id. Add the key that wrote the object to "keys" with use: decrypt.',
  },
  "key-not-ready": {
    grpc: Grpc.FAILED_PRECONDITION,
    hint: "The key is not usable now. The log lines of this key say why; the host tries again by itself.",
  },
  "backend-unreachable": {
    grpc: Grpc.UNAVAILABLE,
    hint: "The KMS behind the provider cannot be asked. The cause says which step failed: a file, the name (look at the resolver), the connection, TLS, or the KMS itself; the host tries again by itself.",
  },
  "provider-unavailable": {
    grpc: Grpc.UNAVAILABLE,
    hint: "The provider's process is being started again. If this goes on, read the log lines of that provider.",
  },
  "provider-quarantined": {
    grpc: Grpc.FAILED_PRECONDITION,
    hint: "The provider's processes end again and again, or one did something that no guest can do. Read its log lines; if its process was taken over, treat the module as hostile: replace it, review its grants, and restart the host.",
  },
  "credential-refused": {
    grpc: Grpc.UNAUTHENTICATED,
    hint: "The KMS refused the credential. Renew it and look at its policy.",
  },
  "capability-denied": {
    grpc: Grpc.PERMISSION_DENIED,
    hint: 'The provider asked for something that it was not granted. If it may have it, add it under "grants".',
  },
  overloaded: {
    grpc: Grpc.RESOURCE_EXHAUSTED,
    hint: "More calls are in flight than the provider's limits allow. Look for a caller in a loop, or raise the limit.",
  },
  deadline: {
    grpc: Grpc.DEADLINE_EXCEEDED,
    hint: "The provider or its KMS was too slow. The API server waits 3 s; find the slow part before raising a limit.",
  },
  "provider-fault": {
    grpc: Grpc.INTERNAL,
    hint: "The provider broke its contract. Its log lines say how; report them to the provider's author.",
  },
  "read-back-failed": {
    grpc: Grpc.INTERNAL,
    hint: "The provider cannot read its own ciphertext, so nothing was stored. Do not use this provider until that is understood.",
  },
  "host-fault": {
    grpc: Grpc.INTERNAL,
    hint: "This is a fault in kleidi itself. Report the log line.",
  },
  "audit-failed": {
    grpc: Grpc.UNAVAILABLE,
    hint: "An operation that cannot be recorded is refused. Fix the problem named above (a full disk, a lost permission, a closed stdout); the host tries again by itself.",
  },
  stopping: {
    grpc: Grpc.UNAVAILABLE,
    hint: "The host is stopping; ask again when it is back.",
  },
  "config-invalid": { hint: "Correct the named lines, then run the command again." },
  "module-invalid": { hint: "Build the provider again, or get it again from its publisher." },
  "module-ungranted": {
    hint: "Read the module's reason. If it may have the authority, add the printed lines to the configuration; otherwise do not run it.",
  },
  "wall-missing": {
    hint: "Without a wall, code that gets out of WebAssembly has every right of the host's user. Follow the instructions above; `sandbox: { wall: none }` in the configuration gives the wall up, which is shown in check, /state, metrics and the audit log.",
  },
  "digest-differs": {
    hint: "The module is not the one that was pinned. Find the person or program that changed it before you change the pin.",
  },
  "module-untrusted": {
    hint: "The module is not signed as the configuration's trust asks. Get it and its signatures from its publisher; do not loosen trust to start it.",
  },
  "audit-invalid": {
    hint: 'Fix the problem named above. If a log was changed, keep its files, find the place with "kleidi audit verify", and move them away: a new chain begins.',
  },
  "socket-refused": { hint: "Examine the file at that path before you remove anything." },
  "admin-refused": {
    hint: 'Find the program that listens there, or choose another address under "admin". Keys are served; the host tries again until it has the address.',
  },
  "key-file-invalid": {
    hint: "Fix the problem named above. Restore a damaged file from its backup: a new key cannot decrypt the old key's ciphertexts.",
  },
  "key-not-made": {
    hint: 'If the key was made on another node, copy its .key and .json file here; else run "kleidi key init".',
  },
  "key-exists": { hint: "Nothing was written. To rotate, choose a new key name." },
  "key-locked": {
    hint: "Another kleidi is making a key there. Wait until it has ended, then run the command again; a lock ends with its process.",
  },
  "key-missing": {
    hint: "Restore the key file from its backup. A new key cannot decrypt the old key's ciphertexts.",
  },
  "state-invalid": {
    hint: "Fix the problem named above. Restore a damaged record from its backup: without it, the data that its key encrypted may be lost.",
  },
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof ERRORS;

/** A failure with a code of the table. `message` may go to the API server; `cause` may not. */
export class KleidiError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "KleidiError";
    this.code = code;
  }

  /** What to do next, from the table. */
  get hint(): string {
    return ERRORS[this.code].hint;
  }

  /** The gRPC status code to answer with. */
  get grpc(): number {
    const row: Row = ERRORS[this.code];
    return row.grpc ?? Grpc.INTERNAL;
  }
}

/** Any thrown value as a KleidiError; what is not one becomes a "host-fault" without its text. */
export function toKleidiError(error: unknown, action: string): KleidiError {
  if (error instanceof KleidiError) return error;
  return new KleidiError("host-fault", `Cannot ${action}: an unexpected failure in the host`, error);
}
