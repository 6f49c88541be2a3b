/**
 * Generates the references: docs/configuration.md from the schema and the rules, docs/errors.md from the error table,
 * docs/audit.schema.json from the shapes of audit records, docs/kleidi.schema.json from the schema again, and docs/metrics.md from the table of
 * metrics.
 * With --check, compares the pages with the generated ones instead. Exit 0: written, or equal. Exit 1: a page differs.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { jsonSchema } from "../host/audit/json-schema.ts";
import { configJsonSchema } from "../host/config/json-schema.ts";
import { RULES } from "../host/config/rules.ts";
import { SCHEMA } from "../host/config/schema.ts";
import { causesOfCode, ERRORS, type ErrorCode, Grpc } from "../host/error.ts";
import { PATH_CAUSES } from "../host/lib/path-fault.ts";
import { WALL_REMEDIES } from "../host/sandbox/wall/remedies.ts";
import { defaultOf, entryOf, fieldOf, isOptional, itemOf, keysOf } from "../host/schema/shape.ts";
import { BUCKETS, LABELS, METRICS } from "../host/telemetry/metric-table.ts";

type Schema = Parameters<typeof fieldOf>[0];

const EXAMPLE = `apiVersion: kleidi.dev/v1
listen:
  socket: /run/kleidi/kms.sock
  mode: "0660"
  group: kleidi-socket
keystore:
  directory: /var/lib/kleidi/keys
trust:
  keys:
    - name: release-2026
      key: RWSPoF+jGqA50SqBy4QUMIcK2OfYzLaAgT5t8yEhmqYA/t4TTPWJQ3Pk # the second line of the .pub file
      expires: 2027-06-30
  threshold: 1
  revoked:
    - sha256: 0000000000000000000000000000000000000000000000000000000000000bad
      why: reads more than it needs
    - key: 00000000DEADBEEF
      why: the laptop with the key was lost
state:
  directory: /var/lib/kleidi/state
providers:
  local:
    module: providers/local.wasm
    sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 # what "sha256sum" prints
    signatures: [providers/local.wasm.minisig]
    grants:
      keystore:
        keys: [kek-2026]
        passphrases: [kek-2025]
        rpcs: [status, encrypt, decrypt]
      tpm:
        device: /dev/tpmrm0
        hierarchies: [owner]
        persistent: ["0x81000001"]
        templates: [10f0d8dad1645f2d7380c49974c25d73738921b8789605bb3a6941c87d40f5c1]
        unseal: true
        rpcs: [status, encrypt, decrypt]
      state:
        names: [kek-2026]
        rpcs: [status, encrypt, decrypt]
    limits:
      memory: 16MiB
      processMemory: 1280MiB
      standby: auto
      tableEntries: 16384
      input: 64KiB
      output: 64KiB
      deadline: 2s
      hostCalls: 64
      hostCallsPerMinute: 600000
      logLines: 64
      concurrentCalls: 64
      queue: 1024
  vault:
    module: providers/vault.wasm
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    signatures: [providers/vault.wasm.minisig]
    grants:
      net:
        origin: https://vault.example:8200
        allow:
          - GET /v1/transit/keys/kek
          - POST /v1/transit/encrypt/kek
          - POST /v1/transit/decrypt/kek
        headers: [content-type]
        networks: [10.20.0.0/16]
        limits: { request: 48KiB, response: 48KiB, timeout: 1800ms, connections: 64 }
        tls:
          ca: /etc/kleidi/vault-ca.pem
          crl: /etc/kleidi/vault-crl.pem
          serverName: vault.internal
          certificate: /etc/kleidi/client.pem
          key: /etc/kleidi/client-key.pem
          minimum: "1.3"
        # one of the six: vault, aws, gcp, azure, file or login
        credential:
          vault:
            auth: approle
            mount: approle
            namespace: team-a
            roleId: 3f0c2b1e-8a3c-4c57-9d0f-0d6f1b2c9a11
            secretId: { file: /etc/kleidi/secret-id }
          # vault: { auth: kubernetes, role: kleidi, file: /var/run/secrets/kubernetes.io/serviceaccount/token }
          # vault: { auth: userpass, username: kleidi, file: /etc/kleidi/password }
          # aws: { region: eu-central-1, source: instance, endpoint: "http://169.254.169.254" }
          # aws: { region: eu-central-1, source: keys, accessKeyId: AKIAIOSFODNN7EXAMPLE, secretAccessKey: { file: /etc/kleidi/aws-secret } }
          # aws: { region: eu-central-1, source: profile, file: /etc/kleidi/aws-credentials, profile: kleidi }
          # aws: { region: eu-central-1, source: container, endpoint: "http://169.254.170.23/v1/credentials", file: /var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token }
          # aws:
          #   region: eu-central-1
          #   source: web-identity
          #   role: arn:aws:iam::111122223333:role/kleidi
          #   file: /var/run/secrets/eks.amazonaws.com/serviceaccount/token
          #   sts: https://sts.eu-central-1.amazonaws.com
          #   session: kleidi-control-plane-1
          #   assume: [{ role: arn:aws:iam::444455556666:role/kleidi-kek, externalId: kleidi-7f3a }]
          # gcp: { source: metadata, endpoint: "http://169.254.169.254" }
          # gcp: { source: service-account, file: /etc/kleidi/gcp-key.json, oauth: "https://oauth2.googleapis.com" }
          # gcp:
          #   source: workload-identity
          #   audience: //iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/clusters/providers/kubernetes
          #   file: /var/lib/kleidi/workload-token
          #   field: id_token
          #   sts: https://sts.googleapis.com
          #   impersonate: kleidi-kek@my-project.iam.gserviceaccount.com
          #   iam: https://iamcredentials.googleapis.com
          # azure: { source: managed-identity, endpoint: "http://169.254.169.254" }
          # azure:
          #   source: client-certificate
          #   tenant: 11111111-2222-3333-4444-555555555555
          #   client: 66666666-7777-8888-9999-000000000000
          #   file: /etc/kleidi/azure-app.pem
          #   login: https://login.microsoftonline.com
          #   resource: https://managedhsm.azure.net
          # file: { file: /etc/kleidi/token, header: authorization, scheme: Bearer }
          # login:
          #   method: POST
          #   path: /v1/login
          #   body: { user: { text: kleidi }, password: { file: /etc/kleidi/password } }
          #   token: /token
          #   ttl: /expires_in
          #   header: authorization
          #   scheme: Bearer
        rpcs: [status, encrypt, decrypt]
  hsm:
    module: providers/pkcs11.wasm
    sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    signatures: [providers/pkcs11.wasm.minisig]
    grants:
      pkcs11:
        module: /usr/lib/softhsm/libsofthsm2.so
        token: kleidi
        pin: { file: /etc/kleidi/pin }
        keys: [kek-2026]
        foreign: [kleidi-kms-plugin]
        mechanism: aes-gcm
        environment: { SOFTHSM2_CONF: /etc/softhsm/softhsm2.conf }
        reads: [/etc/softhsm/softhsm2.conf]
        writes: [/var/lib/softhsm/tokens]
        servers: [10.20.0.7]
        rpcs: [status, encrypt, decrypt]
keys:
  - name: kek-2026
    provider: local
    use: active
    version: 00112233445566778899aabbccddeeff
  - name: kek-2025
    provider: local
    use: member
  - name: kek-vault
    provider: vault
    use: member
    settings: { mount: transit, key: kek }
  - name: kek-hsm
    provider: hsm
    use: decrypt
    settings: { label: kek-2026 }
  - name: old-plugin
    provider: vault
    use: decrypt
    foreign: vault-kubernetes-kms
    settings: { mount: transit, key: kms }
  - name: either # one of the two decrypts
    anyOf: [kek-vault, kek-2025]
    use: decrypt
  - name: together # both of them decrypt
    allOf: [kek-vault, kek-2025]
    use: decrypt
sandbox:
  wall: auto
  programs: /opt/kleidi/bin
status:
  interval: 10s
  stableProbes: 3
reload:
  onChange: false
log:
  level: info
  file: /var/log/kleidi/kleidi.log
audit:
  file: /var/log/kleidi/audit.jsonl
  stdout: false
  rotate:
    size: 100MiB
    keep: 20
  checkpoints:
    key: /etc/kleidi/audit.key
    lines: 1000
    interval: 60s
admin:
  listen: 127.0.0.1:9464
`;

/** One row for each key of the file, in the order of the schema. */
function rows(schema: Schema, path: string): string[][] {
  const own = path === "" ? [] : [row(schema, path)];
  const entry = entryOf(schema);
  const item = itemOf(schema);
  const keys = Object.entries(keysOf(schema)).flatMap(([key, value]) =>
    rows(value, path === "" ? key : `${path}.${key}`),
  );
  return [
    ...own,
    ...keys,
    ...(entry === undefined ? [] : rows(entry, `${path}.<name>`)),
    ...(item === undefined ? [] : rows(item, `${path}[]`)),
  ];
}

function row(schema: Schema, path: string): string[] {
  const { meaning, expected } = fieldOf(schema);
  return [`\`${path}\``, cell(meaning), cell(expected), standard(schema, path)];
}

/** @returns the default of a key, or the behaviour if the key is left out */
function standard(schema: Schema, path: string): string {
  if (/(\[\]|<name>)$/.test(path)) return "";
  const value = defaultOf(schema);
  if (value !== undefined) return `\`${stringify(value).trim()}\``;
  return isOptional(schema) ? cell(fieldOf(schema).absent ?? "") : "**required**";
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

/** A table with padded columns, in the style of the formatter. */
function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) =>
    Math.max(...[head, ...body].map((line) => line[i]?.length ?? title.length)),
  );
  const ruled = [head, widths.map((width) => "-".repeat(width)), ...body];
  return ruled
    .map((line) => `| ${line.map((text, i) => text.padEnd(widths[i] ?? 0)).join(" | ")} |`)
    .join("\n");
}

function configuration(): string {
  return `# Configuration

<!-- Generated by docs/generate.ts from host/config. Change the schema, not this page. -->

kleidí reads one YAML file. Every fault in it is listed at once, each with its line, the expectation, the value found and
a correction. A key that is not in the table below is a fault.

- Relative paths are resolved against the folder of the file. The file is UTF-8 text of at most 1 MiB.
- Secrets are never in the file.
- The file is one YAML 1.2 document without anchors, aliases, tags and directives.

## Example

Every key, with its default or a likely value:

\`\`\`yaml
${EXAMPLE}\`\`\`

## Keys

\`<name>\` is a name that you choose; \`[]\` is each item of a list.

${table(["Key", "Meaning", "Expected", "If left out"], rows(SCHEMA, ""))}

## Rules across keys

${RULES.map(({ description }) => `- ${description}`).join("\n")}

## In an editor

[kleidi.schema.json](kleidi.schema.json) is the JSON Schema (draft 7) of the file, made from the same source as this page. Editors with
yaml-language-server complete and explain keys with it, if the first line of the file names it:

\`\`\`yaml
# yaml-language-server: $schema=/opt/kleidi/docs/kleidi.schema.json
\`\`\`

\`kleidi config init\` writes that line. The schema refuses no valid file. It does not contain the rules across keys, nor the exact form of
origins, requests, networks, addresses and quantities: \`kleidi check\` has the last word.
`;
}

/** In place of the parts of a message about a path. */
const NAMES = {
  path: "PATH",
  at: "PART",
  owner: "PART belongs to uid UID and gid GID, mode MODE",
  uid: "UID",
  verb: "read or write",
  mount: "MOUNT",
  folder: "FOLDER",
  to: " to TARGET",
};

function errors(): string {
  const names = new Map<number, string>(Object.entries(Grpc).map(([name, code]) => [code, name]));
  const lines = Object.entries(ERRORS).flatMap(([code, error]) => {
    const grpc =
      "grpc" in error ? `\`${names.get(error.grpc)}\` (${error.grpc})` : "none: from commands only";
    const causes = [...causesOfCode(code as ErrorCode).values()];
    return causes.map(({ cause, remedy }) => [`\`${code}\``, grpc, cell(cause), cell(remedy)]);
  });
  const paths = Object.values(PATH_CAUSES).map(({ codes, text }) => {
    const { problem, remedy } = text(NAMES);
    return [`\`${codes.replaceAll(", ", "`, `")}\``, cell(problem), cell(remedy)];
  });
  const walls = WALL_REMEDIES.map(({ wall, cause, remedy }) => [wall ?? "each", cell(cause), cell(remedy)]);
  return `# Errors

<!-- Generated by docs/generate.ts from host/error-table.ts. Change the table there, not this page. -->

Every failure of kleidí has one of these codes, and one of the causes in its rows. Log records and the output of commands contain the code, and
the remedy of the cause (\`hint\`); the API server gets the gRPC code and a sentence. The text of a KMS is in the log only. Messages by their words are
in [failures.md](operate/failures.md).

${table(["Code", "gRPC code", "Cause", "Remedy"], lines)}

## A path that the system refuses

The message ends with one of these, with the real names. \`path-refused\` and all codes that name a path have them.

${table(["Error of the system", "Message", "Remedy"], paths)}

## A wall that does not work

The message of \`wall-missing\` names each wall that was tried, and prints the remedy of each.

${table(["Wall", "Cause", "Remedy"], walls)}
`;
}

function metrics(): string {
  const rows = Object.entries(METRICS).map(([name, { type, labels, help }]) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(", "),
    cell(help),
  ]);
  const labels = Object.entries(LABELS).map(([label, values]) => [`\`${label}\``, values]);
  return `# Metrics

<!-- Generated by docs/generate.ts from host/telemetry/metric-table.ts. Change the table there, not this page. -->

The metrics that \`/metrics\` of the admin listener serves, in Prometheus' text format. Alert rules are in \`deploy/prometheus/\`, with a page for
each in [runbooks/](runbooks/); a dashboard is in \`deploy/grafana/\`.

${table(["Metric", "Type", "Labels", "Meaning"], rows)}

Histograms have buckets of ${BUCKETS.join(", ")} seconds. Metrics whose names begin with \`nodejs_\` and \`process_\` are Node's own, of the host's process:
memory, processor time, the event loop's lag, garbage collection. The providers' processes are not in them.

## Overhead

\`kleidi_rpc_overhead_seconds\` is an RPC's time without that in which its provider waited for something outside of the host: host calls of \`kleidi:net\` (a KMS), \`kleidi:pkcs11\` (an HSM) and \`kleidi:tpm\` (a TPM, waiting for
other callers of it included). The rest is the time in the queue, the way to the provider's process and back, the guest itself, and the host calls that the host answers alone: a keystore's key is used there, and a record is read.
So \`kleidi_rpc_duration_seconds\` less \`kleidi_rpc_overhead_seconds\` is the time of the KMS. Status makes no request: all of it is overhead. Probes are not RPCs, so neither metric contains them; their host calls are in
\`kleidi_host_call_duration_seconds\`.

## Labels

No label is unbounded: no text of a caller, a guest or a KMS becomes one. Series are there from the host's start, with 0, so that the first denial is an increase; times of host calls come with the first call.

${table(["Label", "Values"], labels)}
`;
}

/** The generated pages by file name. */
export function pages(): ReadonlyMap<string, string> {
  return new Map([
    ["configuration.md", configuration()],
    ["errors.md", errors()],
    ["audit.schema.json", `${JSON.stringify(jsonSchema(), null, 2)}\n`],
    ["kleidi.schema.json", `${JSON.stringify(configJsonSchema(), null, 2)}\n`],
    ["metrics.md", metrics()],
  ]);
}

/** @returns the names of the pages in the folder that differ from the generated ones */
export function stalePages(folder: string): string[] {
  return [...pages()].filter(([name, text]) => read(join(folder, name)) !== text).map(([name]) => name);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  if (process.argv.includes("--check")) {
    const stale = stalePages(import.meta.dirname);
    for (const name of stale)
      console.error(`docs/${name} is not what its source gives: run "sh host/kleidi-node docs/generate.ts"`);
    process.exit(stale.length === 0 ? 0 : 1);
  }
  for (const [name, text] of pages()) writeFileSync(join(import.meta.dirname, name), text);
}
