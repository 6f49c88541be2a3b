/**
 * All metrics of the host as data: metric-registry.ts registers them, and docs/generate.ts generates docs/metrics.md from them. Names follow the
 * Prometheus conventions: base units, with the unit and the type as suffix.
 */

import { EXPIRY_KINDS } from "../lib/expiry.ts";

interface MetricRow {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly Label[];
}

/** The possible values of each label. Neither a caller nor a guest can add a value. */
export const LABELS = {
  rpc: "status, encrypt or decrypt, as in the log and the audit log",
  code: "ok, or a code of docs/errors.md that an RPC can end with",
  provider:
    "a name of `providers` in the configuration; of a composed key its mode and members, such as anyOf(a,b)",
  capability: "a capability of docs/ABI.md that reaches the host, or unknown",
  verdict:
    "allowed, denied (a question of authority), or refused (a budget is used up, or the request cannot be read)",
  state: "starting, ready, quarantined or stopped",
  sha256: "the digest that the configuration pins",
  key: "a name of `keys` in the configuration, at most 64",
  use: "active, decrypt or member",
  key_id_sha256: "the hash by which the log names a key_id; only those that are current at the scrape",
  result: "good, failed, or unknown (callers filled the queue, so the probe had no result)",
  kind: EXPIRY_KINDS.join(", "),
  name: "a name of `providers` in the configuration or, for trust-key, of `trust.keys`",
  event: "read, login, renewed, refused or failed",
  listener: "kms (the socket of the API server) or admin",
  reason:
    "of kms: replaced, waiting, silent, unfinished, unread, bytes, streams, resets, pings, settings, waste or protocol; of admin: replaced, waiting, late, head, empty or pipelined",
  version: "the version of kleidí that runs",
  wall: "bubblewrap, landlock or none",
} as const;
type Label = keyof typeof LABELS;

/** Histogram buckets in seconds, from the duration of a Status to the host's deadline of 2.4 s. */
export const BUCKETS = [
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
  0.5, 1, 2.5,
];

export const METRICS = {
  kleidi_build_info: { type: "gauge", help: "1, with the version of kleidi.", labels: ["version"] },
  kleidi_wall_info: {
    type: "gauge",
    help: "1, with the wall that keeps providers' processes from the host; none: only Node's permission model does.",
    labels: ["wall"],
  },
  kleidi_ready: {
    type: "gauge",
    help: "1 if Status and /readyz are good at the scrape, else 0.",
    labels: [],
  },

  kleidi_rpcs_total: {
    type: "counter",
    help: "RPCs of the API server, by the error code of docs/errors.md; ok if there was no error.",
    labels: ["rpc", "code"],
  },
  kleidi_rpc_duration_seconds: {
    type: "histogram",
    help: "RPCs, from the request to the answer.",
    labels: ["rpc"],
  },
  kleidi_rpc_overhead_seconds: {
    type: "histogram",
    help: "RPCs, without the time in which a provider waited for its TPM or its KMS: the time of the host, the sandbox and the guest, and the time in the queue. An Encrypt is two calls of the guest.",
    labels: ["rpc"],
  },

  kleidi_host_calls_total: {
    type: "counter",
    help: "Host calls of providers. kleidi:crypto is not counted: it is computed beside the guest.",
    labels: ["provider", "capability", "verdict"],
  },
  kleidi_host_call_duration_seconds: {
    type: "histogram",
    help: "Allowed host calls, from the decision to the answer.",
    labels: ["provider", "capability"],
  },

  kleidi_provider_info: {
    type: "gauge",
    help: "1, with the digest of the provider's module.",
    labels: ["provider", "sha256"],
  },
  kleidi_provider_state: {
    type: "gauge",
    help: "1 for the state that the provider is in, 0 for the others.",
    labels: ["provider", "state"],
  },
  kleidi_provider_processes: {
    type: "gauge",
    help: "Processes of the provider that are loaded and have an instance ready; normally 1, and 2 with `limits.standby`, one of them on standby, which is started 5 s after the first. Instances are created ahead in the process, which does not report their number.",
    labels: ["provider"],
  },
  kleidi_provider_process_ends_total: {
    type: "counter",
    help: "Unexpected exits of the provider's processes.",
    labels: ["provider"],
  },
  kleidi_provider_calls_in_flight: {
    type: "gauge",
    help: "Calls in the provider's process.",
    labels: ["provider"],
  },
  kleidi_provider_calls_in_flight_limit: {
    type: "gauge",
    help: "Limit of kleidi_provider_calls_in_flight: limits.concurrentCalls.",
    labels: ["provider"],
  },
  kleidi_provider_calls_waiting: {
    type: "gauge",
    help: "Calls that wait for their turn.",
    labels: ["provider"],
  },
  kleidi_provider_calls_waiting_limit: {
    type: "gauge",
    help: "Limit of kleidi_provider_calls_waiting: limits.queue. One more is refused as overloaded; so is one that waits for too long.",
    labels: ["provider"],
  },

  kleidi_key_ready: {
    type: "gauge",
    help: "1 if the key's last probe was good, else 0.",
    labels: ["key", "provider", "use"],
  },
  kleidi_key_info: {
    type: "gauge",
    help: "1, with the hash of the key's current key_id: it is the same on every node, and changes with the key's version.",
    labels: ["key", "provider", "use", "key_id_sha256"],
  },
  kleidi_key_members_left_out: {
    type: "gauge",
    help: "Members that an anyOf key encrypts without, because they failed for 15 s or are not back for a minute; absent for a key that is not composed.",
    labels: ["key"],
  },
  kleidi_key_version_changes_total: {
    type: "counter",
    help: "Changes of the key's version since the start.",
    labels: ["key"],
  },
  kleidi_key_probes_total: {
    type: "counter",
    help: "Probes of the key in the background; one of the active key encrypts and decrypts.",
    labels: ["key", "result"],
  },
  kleidi_key_last_good_probe_timestamp_seconds: {
    type: "gauge",
    help: "The time at which the key's last good probe ended; absent before the first.",
    labels: ["key"],
  },
  kleidi_status_age_seconds: {
    type: "gauge",
    help: "Age of the answer of Status: the time since the active key's last good probe, or since the start if there was none.",
    labels: [],
  },
  kleidi_probe_interval_seconds: {
    type: "gauge",
    help: "status.interval: how often a key that is well is probed. Status fails six of them after the last probe.",
    labels: [],
  },

  kleidi_config_reloads_total: {
    type: "counter",
    help: "Reloads of the configuration since the start; refused: the host serves on with the one that it had.",
    labels: ["result"],
  },
  kleidi_config_last_reload_successful: {
    type: "gauge",
    help: "0 if the last reload was refused, else 1; 1 if there was none.",
    labels: [],
  },

  kleidi_credential_expiry_timestamp_seconds: {
    type: "gauge",
    help: "The time at which the credential of the provider's grant of kleidi:net ends; absent if it is unknown.",
    labels: ["provider"],
  },
  kleidi_credential_events_total: {
    type: "counter",
    help: "Events of the provider's credential.",
    labels: ["provider", "event"],
  },

  kleidi_credential_uses_left: {
    type: "gauge",
    help: "Requests that the token in a file, or logins that a secret id, is good for before it is good for nothing; absent if they are not limited, or the server did not report it.",
    labels: ["provider", "kind"],
  },

  kleidi_expiry_timestamp_seconds: {
    type: "gauge",
    help: "The time at which it ends: signature and trust-key, after which a host that starts refuses a module, as read at the start; the certificates of the server (the first of its chain to end) and of the host, and the revocation lists, as read at the last connection; token (in a file, beyond which it cannot be renewed) and secret-id, as the server reported. Absent if it does not end or was not read.",
    labels: ["kind", "name"],
  },
  kleidi_expiry_warning_seconds: {
    type: "gauge",
    help: "How long before that time the warning begins: 14 days, or a quarter of a life below 56 days.",
    labels: ["kind", "name"],
  },

  kleidi_connections: {
    type: "gauge",
    help: "Connections on the socket of the API server; it has one.",
    labels: [],
  },
  kleidi_requests_open: {
    type: "gauge",
    help: "Requests on the socket that are arriving, worked on, or whose answers are not taken yet.",
    labels: [],
  },
  kleidi_requests_arriving_bytes: {
    type: "gauge",
    help: "Bytes held for requests that are not complete yet.",
    labels: [],
  },
  kleidi_connections_closed_total: {
    type: "counter",
    help: "Connections that passed a limit. The host closed them, except for pipelined: then the rest of the sent data is not read.",
    labels: ["listener", "reason"],
  },
  kleidi_socket_losses_total: {
    type: "counter",
    help: "Times that a Unix socket was found removed or replaced under the running host, which binds it again.",
    labels: ["listener"],
  },
  kleidi_admin_listen_failures_total: {
    type: "counter",
    help: "Failures of the admin listener to bind its address. The host tries again; until then nothing can be scraped.",
    labels: [],
  },

  kleidi_audit_lag_lines: {
    type: "gauge",
    help: "Records of the audit log that are not written yet; absent without an audit log.",
    labels: [],
  },
  kleidi_audit_lag_bytes: {
    type: "gauge",
    help: "Size of the records of the audit log that are not written yet; absent without an audit log.",
    labels: [],
  },
  kleidi_audit_failures_total: {
    type: "counter",
    help: "Writes of the audit log that failed.",
    labels: [],
  },
  kleidi_audit_untrusted_files: {
    type: "gauge",
    help: "Files beside the audit log that a host set aside because it did not trust them, counted at the start; absent without an audit log.",
    labels: [],
  },
} as const satisfies Record<string, MetricRow>;

export type MetricName = keyof typeof METRICS;
export type LabelsOf<Name extends MetricName> = (typeof METRICS)[Name]["labels"][number];
type OfType<Type> = {
  [Name in MetricName]: (typeof METRICS)[Name]["type"] extends Type ? Name : never;
}[MetricName];
export type CounterName = OfType<"counter">;
export type GaugeName = OfType<"gauge">;
export type HistogramName = OfType<"histogram">;

export const VERDICTS = ["allowed", "denied", "refused"] as const;
export const PROVIDER_STATES = ["starting", "ready", "quarantined", "stopped"] as const;
export const RELOADS = ["applied", "refused"] as const;
export const PROBE_RESULTS = ["good", "failed", "unknown"] as const;
export const CLOSE_REASONS = {
  kms: [
    "replaced",
    "waiting",
    "silent",
    "unfinished",
    "unread",
    "bytes",
    "streams",
    "resets",
    "pings",
    "settings",
    "waste",
    "protocol",
  ],
  admin: ["replaced", "waiting", "late", "head", "empty", "pipelined"],
} as const;
export const CREDENTIAL_EVENTS = ["read", "login", "renewed", "refused", "failed"] as const;
