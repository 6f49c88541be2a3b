/**
 * The error codes of the host. Every failure that leaves a room is a KleidiError: a code from the table below, a message that names
 * the action, the limit and the actual value, and a cause that is logged and never sent.
 */

/** The gRPC status codes that kleidi returns (grpc.io, "Status codes and their use in gRPC"). */
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

interface ErrorRow {
  /** The gRPC status code of the RPC. Absent if only commands report this error. */
  readonly grpc?: number;
  /** The next step for the operator: one or more sentences. */
  readonly hint: string;
}

/** The error table; docs/errors.md is generated from it. */
export const ERRORS = {
  "request-invalid": {
    grpc: Grpc.INVALID_ARGUMENT,
    hint: "The caller sent a request that no API server sends. Find out which other program uses the socket.",
  },
  "request-too-large": {
    grpc: Grpc.RESOURCE_EXHAUSTED,
    hint: "KMS v2 sends DEK seeds of 32 bytes; kleidi encrypts up to 512 bytes. Find out which other program uses the socket.",
  },
  "ciphertext-invalid": {
    grpc: Grpc.INVALID_ARGUMENT,
    hint: "The stored object was encrypted with another key or under another provider name, or was changed in etcd. Check whether the provider was renamed, and compare with a backup of etcd.",
  },
  "annotations-invalid": {
    grpc: Grpc.INVALID_ARGUMENT,
    hint: "The stored object's annotations differ from the ones that kleidi returned. Compare with a backup of etcd.",
  },
  "key-unknown": {
    grpc: Grpc.NOT_FOUND,
    hint: 'No configured key has this key_id. Add the key that encrypted the object to "keys" with use: decrypt.',
  },
  "key-not-ready": {
    grpc: Grpc.FAILED_PRECONDITION,
    hint: "The key is not usable now. Read the log lines of this key for the reason; the host retries automatically.",
  },
  "backend-unreachable": {
    grpc: Grpc.UNAVAILABLE,
    hint: "The KMS behind the provider cannot be reached. The cause names the step that failed: a file, the DNS name (check the resolver), the connection, TLS, or the KMS itself. The host retries automatically.",
  },
  "provider-unavailable": {
    grpc: Grpc.UNAVAILABLE,
    hint: "The provider's process is restarting. If this continues, read the log lines of that provider.",
  },
  "provider-quarantined": {
    grpc: Grpc.FAILED_PRECONDITION,
    hint: "The provider's process exits repeatedly, or did something that no guest can do. Read its log lines. If the process was taken over, treat the module as hostile: replace it, review its grants, and restart the host.",
  },
  "credential-refused": {
    grpc: Grpc.UNAUTHENTICATED,
    hint: "The KMS rejected the credential. Renew it and check its policy.",
  },
  "capability-denied": {
    grpc: Grpc.PERMISSION_DENIED,
    hint: 'The provider requested an operation that is not granted. To allow it, add it under "grants".',
  },
  overloaded: {
    grpc: Grpc.RESOURCE_EXHAUSTED,
    hint: "More calls are in flight than the provider's limits allow. Look for a caller that loops, or raise the limit.",
  },
  deadline: {
    grpc: Grpc.DEADLINE_EXCEEDED,
    hint: "The provider or its KMS was too slow. The API server waits 3 s; find the slow part before you raise a limit.",
  },
  "provider-fault": {
    grpc: Grpc.INTERNAL,
    hint: "The provider violated its contract. Read its log lines for the details, and report them to the provider's author.",
  },
  "read-back-failed": {
    grpc: Grpc.INTERNAL,
    hint: "The provider cannot decrypt its own ciphertext, so nothing was stored. Do not use this provider until the reason is known.",
  },
  "host-fault": {
    grpc: Grpc.INTERNAL,
    hint: "This is a bug in kleidi. Report the log line.",
  },
  "audit-failed": {
    grpc: Grpc.UNAVAILABLE,
    hint: "The host performs no operation that it cannot record. Fix the problem named above (a full disk, a lost permission, a closed stdout); the host retries automatically.",
  },
  stopping: {
    grpc: Grpc.UNAVAILABLE,
    hint: "The host is stopping. Retry when it has restarted.",
  },
  "config-invalid": { hint: "Fix the lines named above, then run the command again." },
  "reload-refused": {
    hint: "The host serves on with the configuration that it has. Correct what the message names, then reload again.",
  },
  "module-invalid": { hint: "Rebuild the provider, or download it again from its publisher." },
  "module-ungranted": {
    hint: "Read the module's reasons. To allow the requests, add the lines shown above; otherwise do not run the module.",
  },
  "wall-missing": {
    hint: "Without a wall, code that escapes WebAssembly has all rights of the host's user. Follow the steps named above. `sandbox: { wall: none }` in the configuration runs without a wall; check, /state, metrics and the audit log report that.",
  },
  "digest-differs": {
    hint: "The module differs from the pinned one. Find the person or program that changed it before you change the pin.",
  },
  "module-untrusted": {
    hint: "The module's signatures do not satisfy `trust` in the configuration. Download the module and its signatures from its publisher; do not weaken `trust` to start it.",
  },
  "audit-invalid": {
    hint: 'Fix the problem named above. If a log was changed, keep its files, find the changed record with "kleidi audit verify", and move the files away; the host then starts a new chain.',
  },
  "socket-refused": { hint: "Examine the file at that path before you remove anything." },
  "admin-refused": {
    hint: 'Find the program that listens there, or choose another address under "admin". Keys are served meanwhile; the host retries until it can listen.',
  },
  "key-file-invalid": {
    hint: "Fix the problem named above. Restore a damaged file from its backup: a new key cannot decrypt the old key's ciphertexts.",
  },
  "key-not-made": {
    hint: 'If the key was created on another node, copy its .key and .json file here; otherwise run "kleidi key init".',
  },
  "key-exists": { hint: "Nothing was written. To rotate, choose a new key name." },
  "key-locked": {
    hint: "Another kleidi process is creating a key there. Wait until it exits, then run the command again; the lock ends with its process.",
  },
  "key-missing": {
    hint: "Restore the key file from its backup. A new key cannot decrypt the old key's ciphertexts.",
  },
  "state-invalid": {
    hint: "Fix the problem named above. Restore a damaged record from its backup: without it, data encrypted with its key may be lost.",
  },
  "history-invalid": {
    hint: 'Restore the history from the backup of its folder. If there is none, "kleidi key recover" begins again from the configuration (docs/recovery.md).',
  },
  "key-change-refused": {
    hint: "Nothing was changed. Wait, or fix the problem named above. --force overrides it, and the history records that.",
  },
  "path-refused": {
    hint: "The system refuses a path. Run the command named above, then try again.",
  },
  "render-refused": {
    hint: "Nothing was written. Change the configuration as named above, or render another form.",
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** A failure with a code from the table. `message` may be sent to the API server; `cause` may not. */
export class KleidiError extends Error {
  readonly code: ErrorCode;
  readonly #remedy: string | undefined;

  /**
   * @param message names the action, the limit and the actual value; contains no text from a backend
   * @param cause text from a backend or the error of a library; logged, never sent
   * @param remedy the next step for this fault, one or more sentences; by default that of the code, which may have other causes
   * @example new KleidiError("deadline", 'Cannot encrypt with key "k": the provider did not answer within 2000 ms')
   */
  constructor(code: ErrorCode, message: string, cause?: unknown, remedy?: string) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "KleidiError";
    this.code = code;
    this.#remedy = remedy;
  }

  /** The next step for the operator: of this fault, or of its code. */
  get hint(): string {
    return this.#remedy ?? ERRORS[this.code].hint;
  }

  /** The gRPC status code of the RPC; INTERNAL for errors that only commands report. */
  get grpc(): number {
    const row: ErrorRow = ERRORS[this.code];
    return row.grpc ?? Grpc.INTERNAL;
  }
}

/**
 * Converts a thrown value into a KleidiError.
 * @param action the failed action as an infinitive, such as "encrypt"
 * @returns the same error if it is a KleidiError; otherwise a "host-fault" whose message has none of the thrown value's text
 */
export function toKleidiError(error: unknown, action: string): KleidiError {
  if (error instanceof KleidiError) return error;
  return new KleidiError("host-fault", `Cannot ${action}: an unexpected failure in the host`, error);
}
