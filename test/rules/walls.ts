/**
 * The permitted imports of host/ and operator/. Everything else is forbidden, and an unused permission is a fault (walls.test.ts). A room is a folder
 * without the folders in it, or some files of a folder that may import less than the rest of it. A room's files import each other.
 */

export interface Wall {
  /** A folder, or files. */
  readonly room: string | readonly string[];
  /** Rooms, files of rooms, and folders outside of host/ and operator/. */
  readonly may?: readonly string[];
  /** Modules of Node and packages. */
  readonly outside?: readonly string[];
  /** The same, for types only. */
  readonly types?: readonly string[];
  /** Further imports of the room's tests, which may import all of Node. */
  readonly tests?: { readonly may?: readonly string[]; readonly outside?: readonly string[] };
}

const ERROR = "host/error.ts";
// its table, which the generator of the documents reads too
const ERROR_TABLE = "host/error-table.ts";
const FINDING = "host/finding.ts";
const HOST_CALL = "host/host-call.ts";
// the formats of other plugins: data
const FOREIGN = "host/foreign.ts";
const LIB = "host/lib";
// pure
const EXPIRY = "host/lib/expiry.ts";
const BACK_OFF = "host/lib/back-off.ts";
const TEXT = "host/lib/text.ts";
const SCHEMA = "host/schema";
const WIRE = "host/sandbox/wire.mjs";
const IDLE_MEMORY = "host/sandbox/idle-memory.mjs";
const PROVIDER = "proto/provider/v1";
const PROTOBUF = "@bufbuild/protobuf";

const CAPABILITY = "host/capabilities/capability.ts";
const MIGRATION_API = "host/migration/api.ts";
/** The vocabulary of a login method. */
const POINTER = "host/capabilities/net/login/pointer.ts";
const LOGIN = ["fields", "method", "token-recipe"].map((name) => `host/capabilities/net/login/${name}.ts`);
/** What the login of a cloud stands on. */
const CLOUD = [
  FINDING,
  SCHEMA,
  "host/capabilities/net/exchange.ts",
  "host/capabilities/net/login",
  "host/capabilities/net/request-syntax.ts",
];
const FUZZED = { outside: ["fast-check"] };
const SUPPORTED = { may: ["test"] };
const BOTH = { ...SUPPORTED, ...FUZZED };

export const WALLS: readonly Wall[] = [
  { room: [ERROR, ERROR_TABLE] },
  { room: [HOST_CALL] },
  { room: [FOREIGN] },
  { room: [FINDING], may: [ERROR, EXPIRY, TEXT] },
  { room: LIB, outside: ["node:crypto", "node:fs", "node:path", "node:sqlite", "node:util"], tests: FUZZED },
  { room: ["host/main.ts"], may: ["host/cli"], outside: ["node:fs", "node:path"] },
  { room: "host/hold", outside: ["node:child_process", "node:fs", "node:net"] },
  {
    room: "host/cli",
    may: [
      ERROR,
      FINDING,
      HOST_CALL,
      LIB,
      "host/audit",
      "host/capabilities",
      "host/capabilities/keystore",
      "host/capabilities/state",
      "host/checks",
      "host/cluster",
      "host/config",
      "host/conformance",
      "host/conformance/plugin",
      "host/etcd",
      "host/grpc",
      "host/init",
      "host/inspect",
      "host/keys",
      "host/migration",
      "host/module",
      "host/module/trust",
      "host/provider",
      "host/render",
      "host/rotation/waits.ts",
      "host/runtime",
      "host/telemetry",
    ],
    outside: [
      "node:child_process",
      "node:crypto",
      "node:fs",
      "node:module",
      "node:os",
      "node:path",
      "node:readline",
      "node:util",
      "commander",
      "yaml",
      "zod",
    ],
    types: ["@grpc/grpc-js"],
  },
  {
    room: "host/checks",
    may: [
      ERROR,
      FINDING,
      "host/audit",
      "host/capabilities",
      "host/config",
      "host/etcd",
      "host/grpc",
      "host/keys",
      "host/kms",
      "host/kms/composed",
      "host/module/trust",
      "host/runtime",
      "host/telemetry",
    ],
    outside: ["node:fs", "node:path"],
  },
  {
    // for authors of plugins, also of others than kleidi: calls over a socket
    room: "host/conformance/plugin",
    may: [
      ...["command", "leak", "not-good", "verdict"].map((name) => `host/conformance/${name}.ts`),
      "host/grpc/client.ts",
      "host/kms/annotations.ts",
      "host/kms/limits.ts",
    ],
    outside: ["node:crypto", "node:timers/promises"],
  },
  {
    // for authors of providers: calls a module's exports directly, against a host in memory or that of a configuration
    room: "host/conformance",
    may: [
      ERROR,
      FINDING,
      HOST_CALL,
      "host/lib/files.ts",
      "host/lib/secret.ts",
      TEXT,
      "host/capabilities",
      "host/capabilities/keystore",
      "host/capabilities/log",
      "host/config",
      "host/inspect/report.ts",
      "host/kms",
      "host/module",
      "host/module/wasm",
      "host/runtime",
      "host/sandbox",
      // kleidi:crypto of a recorded module, which is computed in the host
      "host/sandbox/guest",
      "host/sandbox/wall",
      SCHEMA,
      "host/telemetry",
      PROVIDER,
    ],
    outside: [
      "node:async_hooks",
      "node:child_process",
      "node:crypto",
      "node:fs",
      "node:os",
      "node:path",
      "node:timers/promises",
      PROTOBUF,
      "zod",
    ],
  },
  {
    // pure: a configuration in, files out
    room: "host/render",
    may: [ERROR, TEXT, CAPABILITY, "host/config"],
    outside: ["node:net", "node:path", "yaml"],
  },
  // makes a context with the collector
  { room: ["host/runtime/last-resort.ts"], outside: ["node:v8", "node:vm"] },
  {
    room: "host/runtime",
    may: [
      ERROR,
      FINDING,
      HOST_CALL,
      LIB,
      "host/audit",
      "host/capabilities",
      "host/capabilities/state",
      "host/config",
      "host/grpc",
      "host/kms",
      "host/module",
      "host/module/trust",
      "host/sandbox",
      "host/sandbox/wall",
      "host/telemetry",
    ],
    outside: ["node:async_hooks", "node:crypto", "node:fs", "node:http", "node:path", "node:util"],
    types: ["node:net"],
    tests: SUPPORTED,
  },
  {
    room: "host/grpc",
    may: [ERROR, LIB, "host/kms", "proto/kms/v2"],
    outside: ["node:fs", "node:http2", "node:net", "node:path", PROTOBUF, "@grpc/grpc-js"],
    tests: SUPPORTED,
  },
  {
    room: "host/sandbox",
    may: [ERROR, HOST_CALL, BACK_OFF, "host/kms", "host/sandbox/wall", PROVIDER],
    outside: ["node:async_hooks", "node:stream", PROTOBUF],
    types: ["node:child_process", "node:net"],
    tests: BOTH,
  },
  // runs on both sides
  { room: [WIRE], types: ["node:stream"] },
  { room: [IDLE_MEMORY] },
  {
    room: "host/sandbox/wall",
    may: [ERROR],
    outside: ["node:child_process", "node:crypto", "node:fs", "node:net", "node:os", "node:path"],
    types: ["node:stream"],
    tests: SUPPORTED,
  },
  {
    room: "host/sandbox/guest",
    may: [WIRE, IDLE_MEMORY],
    outside: ["node:crypto", "node:fs", "node:module", "node:net", "@extism/extism"],
    tests: { may: [PROVIDER, "test"], outside: ["fast-check", PROTOBUF] },
  },
  {
    room: "host/module",
    may: [ERROR, HOST_CALL, LIB, "host/module/trust", "host/module/wasm"],
    outside: ["node:crypto", "zod"],
    tests: { may: ["docs", "test"], outside: ["fast-check", "wabt"] },
  },
  { room: "host/module/trust", may: [ERROR, LIB], outside: ["node:crypto"], tests: SUPPORTED },
  { room: "host/module/wasm", tests: BOTH },
  {
    // pure: bytes in, bytes out
    room: "host/provider/link",
    may: ["host/module/contract.ts", "host/module/manifest.ts", "host/module/wasm"],
  },
  {
    room: "host/provider",
    may: [ERROR, HOST_CALL, LIB, "host/module", "host/module/wasm", "host/provider/link"],
    outside: ["node:child_process", "node:crypto", "node:fs", "node:os", "node:path"],
  },
  // pure
  { room: ["host/provider/rows.ts"], may: [HOST_CALL, "host/module/authority.ts"] },
  {
    room: "host/inspect",
    may: [
      HOST_CALL,
      "host/lib/html-table.ts",
      "host/lib/html.ts",
      TEXT,
      "host/module/authority.ts",
      "host/module/contract.ts",
      "host/module/manifest.ts",
      "host/module/wasm",
    ],
    outside: ["node:crypto"],
    tests: BOTH,
  },
  {
    room: "host/capabilities",
    may: [
      ERROR,
      FINDING,
      HOST_CALL,
      LIB,
      SCHEMA,
      ...["crypto", "keystore", "log", "net", "pkcs11", "state", "tpm"].map(
        (name) => `host/capabilities/${name}/capability.ts`,
      ),
    ],
    outside: ["node:fs", "node:path", PROTOBUF],
    types: ["node:child_process", "zod"],
    tests: { may: [PROVIDER, "test"] },
  },
  { room: "host/capabilities/crypto", may: [CAPABILITY, PROVIDER] },
  {
    room: "host/capabilities/keystore",
    may: [ERROR, FINDING, HOST_CALL, LIB, SCHEMA, CAPABILITY, "host/capabilities/files.ts", PROVIDER],
    outside: [
      "node:crypto",
      "node:fs",
      "node:module",
      "node:path",
      "node:timers/promises",
      PROTOBUF,
      "@peculiar/webcrypto",
      "zod",
    ],
    tests: BOTH,
  },
  {
    room: "host/capabilities/log",
    may: [HOST_CALL, TEXT, CAPABILITY, PROVIDER],
    outside: [PROTOBUF],
    tests: SUPPORTED,
  },
  {
    room: "host/capabilities/net",
    may: [HOST_CALL, LIB, CAPABILITY, PROVIDER],
    outside: [
      "node:child_process",
      "node:crypto",
      "node:dns/promises",
      "node:fs",
      "node:net",
      "node:path",
      "node:stream",
      "node:tls",
      PROTOBUF,
      "undici",
    ],
    tests: { ...BOTH, may: ["host/capabilities/gate.ts", "test"] },
  },
  {
    // gives the login its connection, and describes its configuration
    room: ["capability", "check", "doctor", "footprint", "grant", "open", "rules"].map(
      (name) => `host/capabilities/net/${name}.ts`,
    ),
    may: [
      FINDING,
      SCHEMA,
      EXPIRY,
      CAPABILITY,
      "host/capabilities/net",
      "host/capabilities/net/login/credential.ts",
      "host/capabilities/net/login/grant.ts",
      "host/capabilities/net/login/limits.ts",
      "host/capabilities/net/login/method.ts",
      "host/capabilities/net/login/methods.ts",
      "host/capabilities/net/login/secret-files.ts",
    ],
    outside: ["node:net", "zod"],
  },
  {
    // not the transport, which it receives as a function
    room: "host/capabilities/net/login",
    may: [
      FINDING,
      LIB,
      SCHEMA,
      CAPABILITY,
      "host/capabilities/net/exchange.ts",
      "host/capabilities/net/login/aws",
      "host/capabilities/net/login/azure",
      "host/capabilities/net/login/file",
      "host/capabilities/net/login/gcp",
      "host/capabilities/net/login/recipe",
      "host/capabilities/net/login/vault",
      "host/capabilities/net/origin.ts",
      "host/capabilities/net/request-syntax.ts",
    ],
    outside: ["node:fs/promises", "node:util", "zod"],
    tests: BOTH,
  },
  // one folder for each login method
  { room: "host/capabilities/net/login/azure", may: CLOUD, outside: ["node:crypto", "zod"], tests: BOTH },
  { room: "host/capabilities/net/login/gcp", may: CLOUD, outside: ["node:crypto", "zod"], tests: BOTH },
  {
    room: "host/capabilities/net/login/aws",
    may: [...CLOUD, LIB],
    outside: ["node:crypto", "node:util", "zod"],
    tests: BOTH,
  },
  { room: "host/capabilities/net/login/file", may: [SCHEMA, ...LOGIN], outside: ["zod"] },
  {
    room: "host/capabilities/net/login/recipe",
    may: [SCHEMA, ...LOGIN, POINTER, "host/capabilities/net/request-syntax.ts"],
    outside: ["zod"],
  },
  {
    room: "host/capabilities/net/login/vault",
    may: [FINDING, EXPIRY, SCHEMA, ...LOGIN, POINTER, "host/capabilities/net/login/limits.ts"],
    outside: ["zod"],
    tests: SUPPORTED,
  },
  {
    room: "host/capabilities/pkcs11",
    may: [FINDING, HOST_CALL, LIB, SCHEMA, CAPABILITY, "host/capabilities/pkcs11/module", PROVIDER, WIRE],
    outside: ["node:crypto", "node:fs", "node:path", PROTOBUF, "zod"],
    types: ["node:child_process", "node:stream"],
    tests: SUPPORTED,
  },
  // the program of the process that runs a vendor's native code
  { room: "host/capabilities/pkcs11/module", may: [WIRE], outside: ["node:crypto", "node:ffi", "node:net"] },
  {
    room: "host/capabilities/state",
    may: [ERROR, HOST_CALL, LIB, SCHEMA, CAPABILITY, "host/capabilities/files.ts", PROVIDER],
    outside: ["node:crypto", "node:fs", "node:path", PROTOBUF, "zod"],
    tests: { may: ["host/capabilities/gate.ts", "host/capabilities/policy.ts", "test"] },
  },
  {
    room: "host/capabilities/tpm",
    may: [FINDING, HOST_CALL, LIB, SCHEMA, CAPABILITY, PROVIDER],
    outside: ["node:crypto", "node:fs", "node:net", "node:timers/promises", "node:util", PROTOBUF, "zod"],
    tests: BOTH,
  },
  // the decisions are pure
  { room: ["host/capabilities/policy.ts"], may: [HOST_CALL] },
  { room: ["host/capabilities/net/policy.ts"], may: ["host/capabilities/net/request-syntax.ts"] },
  { room: ["host/capabilities/net/request-syntax.ts"] },
  { room: ["pointer", "token-recipe"].map((name) => `host/capabilities/net/login/${name}.ts`) },
  {
    room: [
      "authorization",
      "commands",
      "command-context",
      "handles",
      "parameters",
      "policy",
      "reader",
      "command-refusal",
      "response",
      "template",
    ].map((name) => `host/capabilities/tpm/${name}.ts`),
    may: [HOST_CALL],
  },
  {
    room: "host/audit",
    may: [ERROR, LIB, "host/audit/sink"],
    outside: ["node:crypto", "node:fs", "node:path"],
    tests: { may: ["test"], outside: ["fast-check", "zod"] },
  },
  {
    room: "host/audit/sink",
    may: [ERROR, LIB, "host/audit"],
    outside: ["node:crypto", "node:fs", "node:net", "node:path", "node:timers/promises", "node:util"],
  },
  {
    room: "host/telemetry",
    may: [ERROR, LIB],
    outside: ["node:async_hooks", "node:crypto", "node:fs", "node:http", "node:net", "pino", "prom-client"],
  },
  {
    room: "host/config",
    may: [ERROR, FOREIGN, LIB, SCHEMA, CAPABILITY, "host/capabilities/registry.ts"],
    outside: ["node:crypto", "node:net", "node:path", "yaml", "zod"],
    tests: { may: ["host/capabilities/net", "test"], outside: ["ajv", "fast-check"] },
  },
  {
    room: "host/cluster",
    may: [FINDING, LIB, SCHEMA, "host/config/document.ts", "host/migration"],
    outside: ["node:crypto", "node:path", "undici", "yaml"],
  },
  {
    // the life of a key: history, edits of the configuration
    room: "host/keys",
    may: [ERROR, LIB, "host/config"],
    outside: ["node:crypto", "node:fs", "node:path", "node:util", "yaml"],
    tests: FUZZED,
  },
  // pure: what is decided about a key
  {
    room: ["past", "life", "successor"].map((name) => `host/keys/${name}.ts`),
    may: ["host/rotation", "host/keys/record.ts"],
  },
  {
    // reads files and bytes that may be forged
    room: "host/etcd",
    may: [
      FINDING,
      FOREIGN,
      "host/lib/files.ts",
      TEXT,
      "host/cluster/key-usage.ts",
      "host/kms/annotations.ts",
      "host/kms/composed",
      "proto/etcd/v3",
    ],
    outside: ["node:crypto", "node:net", "node:tls", PROTOBUF, "@grpc/grpc-js"],
    tests: { may: ["test"] },
  },
  // pure: the operator and the command line decide alike
  { room: "host/rotation" },
  // each of them has its own client
  { room: "host/migration", outside: ["node:timers/promises"] },
  // the path of a key in the schema is a type only
  { room: "host/init", may: ["host/schema/text.ts"], outside: ["yaml"] },
  { room: SCHEMA, may: [TEXT], outside: ["node:path", "yaml", "zod"] },
  { room: "host/kms", may: [ERROR, FOREIGN, BACK_OFF, "host/kms/composed"], tests: BOTH },
  // pure: the bytes of a composed object, and the choice among its members
  {
    room: "host/kms/composed",
    may: [ERROR, ...["annotations", "key-id", "limits"].map((name) => `host/kms/${name}.ts`)],
    tests: BOTH,
  },

  // the operator: main → run → the rooms → cluster → api
  { room: ["operator/main.ts"], may: ["operator/options.ts", "operator/run.ts"] },
  {
    room: ["operator/run.ts"],
    may: [
      "operator/agent",
      "operator/cluster",
      "operator/controller",
      "operator/metrics.ts",
      "operator/migration",
      "operator/options.ts",
    ],
    outside: ["node:module", "node:timers/promises"],
  },
  {
    room: ["operator/options.ts"],
    may: ["operator/agent/host-state.ts", "operator/cluster"],
    outside: ["node:fs", "node:os", "node:util"],
  },
  {
    room: ["operator/metrics.ts"],
    may: ["host/rotation/observed.ts", "operator/cluster", "operator/controller/observe.ts"],
    outside: ["prom-client"],
  },
  {
    room: "operator/agent",
    may: ["host/cluster/samples.ts", MIGRATION_API, "operator/api", "operator/cluster"],
    outside: ["node:http"],
  },
  {
    room: "operator/controller",
    may: [MIGRATION_API, "host/rotation", "operator/api", "operator/cluster", "operator/migration"],
  },
  {
    room: "operator/migration",
    may: ["host/migration", "operator/api", "operator/cluster"],
    outside: ["node:timers/promises"],
  },
  {
    room: "operator/cluster",
    may: [MIGRATION_API, "operator/api"],
    outside: ["node:fs", "node:http", "node:https"],
  },
  // the schemas; only generate.ts writes
  {
    room: "operator/api",
    may: ["host/rotation/decision.ts", "host/rotation/waits.ts"],
    outside: ["zod"],
    tests: { outside: ["yaml"] },
  },
  {
    room: ["operator/api/generate.ts"],
    may: ["operator/api/crd.ts"],
    outside: ["node:fs", "node:path", "yaml"],
  },
];
