/** The API server's EncryptionConfiguration, one for each stage of a migration. */

import { quote } from "../lib/text.ts";
import { yaml } from "./escape.ts";
import { refuseIf } from "./refusal.ts";
import { type Rendered, type RenderInput, rootFile } from "./rendered.ts";

/**
 * The stages, in order. "Others" are the providers that wrote before kleidí: identity, or those of an existing file.
 * The first provider of the list writes; all of them read.
 */
export const STAGES = {
  stage: "others write, kleidí reads: for every API server, before one of them writes with kleidí",
  promote: "kleidí writes, others read: the objects can be rewritten now",
  retire:
    "kleidí alone: only after every object was rewritten, because an API server does not start if it cannot read an object",
  leave: "others write, kleidí reads: rewrite every object, then remove kleidí",
} as const;
export type Stage = keyof typeof STAGES;

/** The name is the prefix of every stored object. */
const NAME = "kleidi";
/** The API server's timeout for one call; the host answers or refuses within 2.5 s. */
const TIMEOUT = "3s";
export const ENCRYPTION_FILE = "/etc/kubernetes/enc/enc.yaml";

export interface EncryptionOptions {
  readonly stage: Stage;
  /** For example "secrets", "configmaps", "widgets.example.com". */
  readonly resources: readonly string[];
  /** The resources and the providers of an existing file; absent: `resources` and identity. */
  readonly existing?: readonly EncryptedResources[];
  /** The path of the file on the node. */
  readonly file: string;
}

export interface EncryptedResources {
  readonly resources: readonly string[];
  /** Each has one key, the kind of the provider. They may contain keys: they are passed through and never shown. */
  readonly providers: readonly Readonly<Record<string, unknown>>[];
}

/** @throws KleidiError render-refused: another KMS provider of the existing file has kleidí's name */
export function renderEncryptionConfig(input: RenderInput, options: EncryptionOptions): Rendered {
  const { stage, existing, file } = options;
  const text = yaml({
    apiVersion: "apiserver.config.k8s.io/v1",
    kind: "EncryptionConfiguration",
    ...encryptionRules(input, options),
  });
  return {
    // the file may contain keys of other providers
    files: [rootFile(file, text, 0o600)],
    commands: [],
    notes: [
      `Stage ${stage}: ${STAGES[stage]}.`,
      ...(existing === undefined && stage !== "retire" ? [PLAIN] : []),
    ],
  };
}

const PLAIN =
  "The other provider is identity, which does not encrypt the objects that it writes. If the API server encrypts already, name its file with --existing.";

/** The configuration without apiVersion and kind, as Talos embeds it. */
export function encryptionRules(
  { config }: RenderInput,
  options: EncryptionOptions,
): { resources: EncryptedResources[] } {
  const { stage, resources, existing } = options;
  const kms = {
    kms: { apiVersion: "v2", name: NAME, endpoint: `unix://${config.listen.socket}`, timeout: TIMEOUT },
  };
  const before = existing ?? [{ resources, providers: [{ identity: {} }] }];
  refuseIf("encryption-config", [
    ...unusableEndpoint(config.listen.socket),
    ...before.flatMap(({ providers }) => providers.flatMap((each) => clash(each, kms.kms.endpoint))),
  ]);
  return {
    resources: before.map(({ resources, providers }) => ({
      resources,
      providers: ordered(stage, kms, othersOf(providers)),
    })),
  };
}

type Provider = Readonly<Record<string, unknown>>;

function ordered(stage: Stage, kms: Provider, others: readonly Provider[]): Provider[] {
  if (stage === "retire") return [kms];
  return stage === "promote" ? [kms, ...others] : [...others, kms];
}

/** All providers but kleidí's; identity if the file has kleidí alone. */
function othersOf(providers: readonly Provider[]): Provider[] {
  const others = providers.filter((provider) => kmsOf(provider)?.name !== NAME);
  return others.length === 0 ? [{ identity: {} }] : others;
}

function clash(provider: Provider, endpoint: string): string[] {
  const kms = kmsOf(provider);
  if (kms?.name !== NAME || kms.endpoint === endpoint) return [];
  return [
    `the existing file has a KMS provider "${NAME}" with another endpoint than ${endpoint}: its objects could not be distinguished from kleidí's; correct listen.socket`,
  ];
}

/** The API server parses the endpoint as a URL, in which these characters have no other meaning. */
function unusableEndpoint(socket: string): string[] {
  if (/^[A-Za-z0-9_.@+=,/-]+$/.test(socket)) return [];
  return [
    `the API server cannot connect to ${quote(socket)}: write a listen.socket of letters, digits and _.@+=,-`,
  ];
}

function kmsOf({ kms }: Provider): { name?: unknown; endpoint?: unknown } | undefined {
  return typeof kms === "object" && kms !== null ? kms : undefined;
}
