/** The table of commands. Each implementation is imported when it runs: most need little of the host and start twice as fast this way. */
import { CONFIG, JSON_OBJECT } from "./cli/common-options.ts";
import "./cli/require-node.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AUDIT_COMMANDS } from "./cli/audit-commands.ts";
import type { Option } from "./cli/command.ts";
import { CONFIG_COMMANDS } from "./cli/config-commands.ts";
import { conformanceCommands } from "./cli/conformance-command.ts";
import type { ClusterOptions } from "./cli/doctor-cluster.ts";
import type { EtcdScanOptions } from "./cli/etcd-scan.ts";
import { execute, type Program } from "./cli/execute.ts";
import type { InspectOptions } from "./cli/inspect.ts";
import type { KeyInitOptions } from "./cli/key.ts";
import { KEY_COMMANDS } from "./cli/key-commands.ts";
import type { MigrateOptions } from "./cli/migrate.ts";
import { EXIT } from "./cli/output.ts";
import { PROVIDER_AUTHOR_COMMANDS } from "./cli/provider-author-commands.ts";
import { providerCommands } from "./cli/provider-commands.ts";
import { RENDER_COMMANDS } from "./cli/render-commands.ts";
import { type Manifest, versionCommand, versionText } from "./cli/version.ts";

const manifest: Manifest = JSON.parse(readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8"));

const LIVE: Option = {
  flags: "--live",
  about:
    "also start the providers and run Status, Encrypt and Decrypt through the sandbox; this shows that the keys work, and is no conformance run (kleidi provider test)",
  default: false,
};

type DoctorOptions = ClusterOptions & { live: boolean };
type ConfigOptions = { config: string; json: boolean };

export const PROGRAM: Program = {
  version: versionText(manifest),
  groups: {
    config: "Write a configuration.",
    provider:
      "Make and prove a provider: for authors of modules (docs/provider-build.md, docs/providers.md).",
    key: "Create keys, and lead each through its life (docs/operate/rotate.md).",
    etcd: "Examine the objects in etcd (docs/recovery.md).",
    render: "Render the files of a deployment from the configuration (docs/deploying.md).",
    audit: "Read, verify and export an audit log (docs/audit.md).",
  },
  commands: [
    {
      name: "serve",
      summary: "Serve KMS v2 on the configured Unix socket until SIGTERM; logs go to stderr or the log file.",
      options: [CONFIG],
      examples: [
        { does: "Serve with the configuration in /etc/kleidi", line: "kleidi serve" },
        { does: "Serve with another configuration", line: "kleidi serve --config .kleidi/kleidi.yaml" },
      ],
      run: async ({ config }: { config: string }) =>
        (await import("./cli/serve.ts")).serveCommand(config, manifest.version),
    },
    {
      name: "hold",
      summary:
        "Bind the socket and hold it, and run serve on it. A serving process that ends is started again, and no connection is refused meanwhile. For a container; systemd holds a socket itself.",
      options: [CONFIG],
      examples: [
        { does: "Serve, and survive the end of the serving process", line: "kleidi hold" },
        {
          does: "Hold the socket of another configuration",
          line: "kleidi hold --config .kleidi/kleidi.yaml",
        },
      ],
      run: async ({ config }: { config: string }) =>
        (await import("./cli/hold.ts")).holdCommand(config, import.meta.filename),
    },
    {
      name: "check",
      summary: "Check the configuration, the modules, their digests and grants, and the keys.",
      options: [LIVE, CONFIG, JSON_OBJECT],
      examples: [
        { does: "Check everything without starting a provider", line: "kleidi check" },
        {
          does: "Also encrypt and decrypt with every provider",
          line: "kleidi check --live --config .kleidi/kleidi.yaml",
        },
      ],
      run: async ({ config, ...options }: ConfigOptions & { live: boolean }) =>
        (await import("./cli/check.ts")).checkCommand(config, options),
    },
    {
      name: "doctor",
      summary:
        "Run all checks of check, then examine each TPM, the path to each origin (name, TLS, login, policy), and the API server.",
      options: [
        LIVE,
        {
          flags: "--encryption-config <file>",
          about:
            "also check the API server's EncryptionConfiguration: socket, apiVersion, order, timeout, resources",
        },
        {
          flags: "--kubeconfig <file>",
          about:
            "also compare the file and the keys with the metrics of this API server: the hash in force, and the keys that it last wrote and read under",
          repeated: true,
        },
        {
          flags: "--count",
          about:
            "also count the objects under each key: every object is read from etcd once, its metadata only",
          default: false,
        },
        CONFIG,
        JSON_OBJECT,
      ],
      examples: [
        { does: "Find the reason that a provider does not reach its KMS", line: "kleidi doctor" },
        { does: "Run every check and print JSON", line: "kleidi doctor --live --json" },
        {
          does: "Compare the API server with the host, and count what is left under an older key",
          line: "kleidi doctor --encryption-config /etc/kubernetes/enc/encryption.yaml --kubeconfig /etc/kubernetes/admin.conf --count",
        },
      ],
      run: async ({ config, ...options }: ConfigOptions & DoctorOptions) =>
        (await import("./cli/doctor.ts")).doctorCommand(config, options),
    },
    {
      name: "migrate",
      summary:
        "Rewrite the encrypted objects under the active key, through the API server, and prove that none is left under an older one. Rewrites only what is stale, and requests metadata only.",
      options: [
        {
          flags: "--kubeconfig <file>",
          about:
            "the API server and a user who may list and patch the resources, get each object, and get /metrics",
          default: "/etc/kubernetes/admin.conf",
        },
        {
          flags: "--server <url>",
          about:
            "the address of another API server of the cluster (https://10.0.0.2:6443): its metrics are compared too",
          repeated: true,
        },
        {
          flags: "--encryption-config <file>",
          about: "take the resources and the provider's names from the API server's EncryptionConfiguration",
        },
        {
          flags: "--resource <name>",
          about: "the resource to migrate (secrets, deployments.apps); by default secrets",
          repeated: true,
        },
        {
          flags: "--workers <count>",
          about: "requests at the same time",
          integer: [1, 8],
          default: 8,
        },
        {
          flags: "--position <file>",
          about: "keep the position in this file, and continue from it after an interruption",
        },
        {
          flags: "--etcd <source>",
          about: "also read etcd itself at the end (https://127.0.0.1:2379), as kleidi etcd scan does",
        },
        { flags: "--etcd-cacert <file>", about: "the CA of etcd's certificate" },
        { flags: "--etcd-cert <file>", about: "the client certificate for etcd" },
        { flags: "--etcd-key <file>", about: "the key of that certificate" },
        {
          flags: "--dry-run",
          about:
            "write nothing: only count the objects under each key; exit code 1 if one is left to rewrite",
          default: false,
        },
        CONFIG,
        JSON_OBJECT,
      ],
      examples: [
        { does: "Count the Secrets that are left under an older key", line: "kleidi migrate --dry-run" },
        {
          does: "Rewrite all resources of the file, and compare all API servers",
          line: "kleidi migrate --encryption-config /etc/kubernetes/enc/encryption.yaml --server https://10.0.0.2:6443 --server https://10.0.0.3:6443",
        },
        {
          does: "Rewrite a large cluster in parts, which an interruption does not lose",
          line: "kleidi migrate --position /var/lib/kleidi/migration.json",
        },
      ],
      run: async ({ config, ...options }: ConfigOptions & MigrateOptions) =>
        (await import("./cli/migrate.ts")).migrateCommand(config, options),
    },
    {
      name: "healthcheck",
      summary:
        "Call Status of a running host over the socket, as the API server does; a failure says: not running, not permitted, not ready, or refused.",
      options: [
        { flags: "--socket <path>", about: "the socket, instead of the configuration's" },
        {
          flags: "--timeout <ms>",
          about: "how long to wait for the answer, in milliseconds",
          integer: [1, 60_000],
          default: 3_000,
        },
        {
          flags: "--wait <duration>",
          about: "ask again until the answer is good, for at most this long: 500ms, 30s, 5m",
        },
        CONFIG,
        JSON_OBJECT,
      ],
      examples: [
        { does: "Check the host of the configuration in /etc/kleidi", line: "kleidi healthcheck" },
        {
          does: "Check the host at a socket and wait at most one second",
          line: "kleidi healthcheck --socket /run/kleidi/kms.sock --timeout 1000",
        },
        { does: "Wait until a host that was just started is ready", line: "kleidi healthcheck --wait 30s" },
      ],
      run: async ({
        config,
        timeout,
        ...options
      }: ConfigOptions & { socket?: string; timeout: number; wait?: string }) =>
        (await import("./cli/healthcheck.ts")).healthcheckCommand(config, { ...options, timeoutMs: timeout }),
    },
    ...CONFIG_COMMANDS,
    {
      name: "inspect",
      arguments: "<module>",
      summary:
        "Inspect a module without running it: the authority it requests, the host calls its code can reach, and the reasons for which it would be refused.",
      options: [
        { flags: "--html <file>", about: "also write the report as one HTML page, to file with an approval" },
        {
          flags: "-c, --config <file>",
          about: "also compare the module with this configuration: pin, trust and grants",
        },
        {
          flags: "--report <file>",
          about: "also show this report of kleidi provider test, if it is of this module",
        },
        JSON_OBJECT,
      ],
      examples: [
        { does: "Inspect a module before you approve it", line: "kleidi inspect providers/local.wasm" },
        {
          does: "Compare it with a configuration and write the page",
          line: "kleidi inspect providers/local.wasm --config kleidi.yaml --html local-approved.html",
        },
      ],
      run: async (options: InspectOptions, module: string) =>
        (await import("./cli/inspect.ts")).inspectCommand(module, options),
    },
    {
      name: "diff",
      arguments: "<old> <new>",
      summary: "Compare the authority of two modules; exit 1 if the new one has more.",
      options: [JSON_OBJECT],
      examples: [
        {
          does: "Block a release that requests more authority than the one before",
          line: "kleidi diff local-1.0.wasm local-1.1.wasm",
        },
      ],
      run: async (options: { json: boolean }, oldPath: string, newPath: string) =>
        (await import("./cli/diff.ts")).diffCommand(oldPath, newPath, options),
    },
    ...PROVIDER_AUTHOR_COMMANDS,
    ...providerCommands(manifest.version),
    ...conformanceCommands(manifest.version),
    {
      name: "key init",
      arguments: "[name]",
      summary:
        "Create a key (by default the active one); refuses if one exists or ever existed under this name, except an import of the same key.",
      options: [
        {
          flags: "--scheme <text>",
          about: "for a key that its provider creates: the scheme, as listed on the provider's page",
        },
        {
          flags: "--import <file>",
          about:
            "for a key that its provider creates: its 32 bytes, as hexadecimal digits in a file of mode 0600; replaces the record of a key that existed, if the bytes give the recorded or pinned version",
        },
        {
          flags: "--escrow <file>",
          about: "as --import, with new random bytes, which are first written to this new file",
        },
        CONFIG,
        JSON_OBJECT,
      ],
      examples: [
        { does: "Create the active key", line: "kleidi key init" },
        {
          does: "Create a key in the TPM of the first node and write its bytes for the others",
          line: "kleidi key init kek-2026 --escrow /run/kek-2026.hex",
        },
        {
          does: "Import it on each other node",
          line: "kleidi key init kek-2026 --import kek-2026.hex",
        },
      ],
      run: async ({ config, ...options }: ConfigOptions & KeyInitOptions, name?: string) =>
        (await import("./cli/key.ts")).keyInitCommand(config, name, options),
    },
    ...KEY_COMMANDS,
    {
      name: "etcd scan",
      arguments: "<source>",
      summary:
        "Count the objects in a snapshot of etcd, or in a running etcd, by provider and key_id, and name those that are damaged, in clear, or under a key that is not configured. Decrypts nothing.",
      options: [
        { flags: "--cacert <file>", about: "for an endpoint: the CA of its certificate" },
        { flags: "--cert <file>", about: "for an endpoint: the client certificate" },
        { flags: "--key <file>", about: "for an endpoint: the key of the client certificate" },
        { flags: "--prefix <path>", about: "the prefix of the API server's keys", default: "/registry" },
        {
          flags: "--resource <name>",
          about: "a resource that must be encrypted; by default secrets",
          repeated: true,
        },
        {
          flags: "-c, --config <file>",
          about: "compare the key_ids with the keys of this configuration; starts its providers",
        },
        JSON_OBJECT,
      ],
      examples: [
        {
          does: "Find the keys that a snapshot needs, before you restore it",
          line: "kleidi etcd scan /root/etcd-2026.db --config /etc/kleidi/kleidi.yaml",
        },
        {
          does: "Scan the etcd of a control plane of kubeadm",
          line: "kleidi etcd scan https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt --cert /etc/kubernetes/pki/apiserver-etcd-client.crt --key /etc/kubernetes/pki/apiserver-etcd-client.key",
        },
        {
          does: "Scan the store of an etcd that is stopped",
          line: "kleidi etcd scan /var/lib/etcd/member/snap/db --json",
        },
      ],
      run: async (options: EtcdScanOptions, source: string) =>
        (await import("./cli/etcd-scan.ts")).etcdScanCommand(source, options),
    },
    {
      name: "key refresh",
      summary:
        "Ask the running host to probe its keys now, and wait until a new version is adopted or refused; needs an admin socket of the host's user alone.",
      options: [CONFIG, JSON_OBJECT],
      examples: [
        { does: "Let a rotation of the Transit key take effect now", line: "kleidi key refresh" },
        {
          does: "Get the key_id after it as JSON",
          line: "kleidi key refresh --config .kleidi/kleidi.yaml --json",
        },
      ],
      run: async ({ config, json }: ConfigOptions) =>
        (await import("./cli/key-refresh.ts")).keyRefreshCommand(config, { json }),
    },
    {
      name: "reload",
      summary:
        "Ask the running host to read its configuration again, and wait for the verdict; needs an admin socket of the host's user alone. SIGHUP does the same without a verdict.",
      options: [CONFIG, JSON_OBJECT],
      examples: [
        { does: "Apply an edited configuration without a restart", line: "kleidi reload" },
        { does: "Get the verdict as JSON", line: "kleidi reload --config .kleidi/kleidi.yaml --json" },
      ],
      run: async ({ config, json }: ConfigOptions) =>
        (await import("./cli/reload.ts")).reloadCommand(config, { json }),
    },
    ...RENDER_COMMANDS,
    ...AUDIT_COMMANDS,
    {
      name: "completion",
      arguments: "<shell>",
      summary: "Print a script that completes commands and options in bash, zsh or fish.",
      options: [JSON_OBJECT],
      examples: [
        {
          does: "Complete in every bash",
          line: "kleidi completion bash > ~/.local/share/bash-completion/completions/kleidi",
        },
        {
          does: "Complete in every fish",
          line: "kleidi completion fish > ~/.config/fish/completions/kleidi.fish",
        },
      ],
      run: async (options: { json: boolean }, shell: string) =>
        (await import("./cli/completion.ts")).completionCommand(PROGRAM, shell, options),
    },
    {
      name: "version",
      summary: "Print the version, the commit, the version of Node, the ABI and the platform.",
      options: [JSON_OBJECT],
      examples: [
        { does: "Print what a bug report needs", line: "kleidi version" },
        { does: "Compare two nodes", line: "kleidi version --json" },
      ],
      run: async (options: { json: boolean }) => versionCommand(manifest, options),
    },
  ],
};

if (import.meta.main) {
  // "kleidi … | head" exits with its reader.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.SUCCESS);
    throw error;
  });
  process.exitCode = await execute(PROGRAM, process.argv.slice(2));
}
