/** Writes the text of a new configuration: a template with its answers, a reason for each key, and the next steps. */
import type { Answers, Template } from "./template.ts";
import { scalar, shellWord } from "./words.ts";

export interface NewDocument {
  readonly template: Template;
  readonly answers: Answers;
  /** The path of the new file. */
  readonly file: string;
  /** The path of the JSON Schema. */
  readonly schema: string;
  /** The module's path, and its SHA-256 in hex. */
  readonly module: { readonly path: string; readonly sha256: string };
}

/** @returns the steps before the first start, one sentence or command each */
export function stepsOf({ template, answers, file }: NewDocument): string[] {
  const command = (words: string) => `kleidi ${words} --config ${shellWord(file)}`;
  return [
    ...template.steps(answers, command),
    command("check --live"),
    `name the endpoint unix://${answers.socket} in the API server's EncryptionConfiguration, and check it: ${command("doctor --encryption-config FILE")}`,
  ];
}

/** @returns YAML; its first line names the JSON Schema for yaml-language-server */
export function documentText(document: NewDocument): string {
  const { template, answers, schema, module } = document;
  const { name } = template;
  const key = scalar(answers.key ?? "");
  const section = template.section(answers);
  const settings = template.settings?.(answers) ?? [];
  return `${[
    `# yaml-language-server: $schema=${schema}`,
    `# The configuration of kleidí, written by "kleidi config init". The KEK is in ${template.about}.`,
    "# docs/configuration.md explains every key. Steps before the first start:",
    ...stepsOf(document).map((step, i) => `#   ${i + 1}. ${step}`),
    "",
    "apiVersion: kleidi.dev/v1 # the version of this format",
    "",
    ...listenLines(answers),
    "",
    ...(section.length === 0 ? [] : [...section, ""]),
    "providers:",
    `  ${name}: # a permanent name: it is bound into every ciphertext`,
    `    module: ${scalar(module.path)} # the provider, a WebAssembly module that has no authority by itself`,
    `    sha256: ${scalar(module.sha256)} # kleidí refuses a module with another digest; compare it with the published SHA256SUMS`,
    "    grants: # everything that is not listed is denied",
    ...template.grants(answers).map((line) => `      ${line}`),
    "",
    "keys:",
    `  - name: ${key} # permanent: the key_id in etcd is derived from it`,
    `    provider: ${name}`,
    "    use: active # encrypts and decrypts; older keys get another entry with use: decrypt",
    ...(settings.length === 0 ? [] : ["    settings: # the place of the key in its KMS"]),
    ...settings.map((line) => `      ${line}`),
    "    # version: <what key init and key list print> # then the host refuses any other key under this name",
    "",
    ...OPTIONAL,
  ].join("\n")}\n`;
}

function listenLines({ socket = "", group }: Answers): string[] {
  const mode =
    group === undefined
      ? ['  mode: "0600" # only the host\'s user may connect; with a group, "0660"']
      : ['  mode: "0660" # the host\'s user and the group may connect', `  group: ${scalar(group)}`];
  return ["listen:", `  socket: ${scalar(socket)} # the API server connects to it`, ...mode];
}

/** Each line is valid configuration without its "# ". */
const OPTIONAL = [
  "# Optional, but recommended:",
  "# admin: { listen: 127.0.0.1:9464 } # metrics, probes and a status page",
  "# audit: { file: /var/log/kleidi/audit.jsonl } # a record of every RPC and host call",
];
