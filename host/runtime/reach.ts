/** What `kleidi check` says of a provider's reach: requested, granted, and what is granted and not requested. */
import type { GrantsConfig, NetGrantConfig, ProviderConfig } from "../config/config.ts";
import type { Rpc } from "../host-call.ts";
import { unrequested } from "../module/authority.ts";
import type { Manifest } from "../module/manifest.ts";
import type { Finding } from "./finding.ts";

type Grant = NonNullable<GrantsConfig[keyof GrantsConfig]>;

/** With the author's reasons. */
export interface Reached extends Finding {
  readonly whys: readonly string[];
}

/** What each RPC can reach; admission saw to it that this is what the code can reach. */
export function reach(provider: ProviderConfig, manifest: Manifest): Reached[] {
  const what = `provider ${provider.name} can reach`;
  const rows = joined(manifest.capabilities).map(({ capability, operations, rpcs, whys }): Reached => {
    const grant: Grant | undefined = provider.grants[capability as keyof GrantsConfig];
    const allowed = rpcs.filter((rpc) => grant?.rpcs === undefined || grant.rpcs.some((one) => one === rpc));
    const where = allowed.length > 0 ? `in ${allowed.join(", ")}` : "nowhere, as the grant is narrowed";
    const need = `${capability} ${operations.join(", ")} ${where}`;
    if (grant === undefined) return { what, ok: true, detail: `${need} (always granted)`, whys };
    const missing = missingUse(operations, grant);
    if (missing === undefined)
      return { what, ok: true, detail: `${need}, ${reachOf(grant, operations)}`, whys };
    return {
      what,
      ok: false,
      whys,
      detail: `${need} is requested and not granted`,
      hint: `If it may have it, write under providers.${provider.name}: grants: { keystore: { ${missing}: […] } }`,
    };
  });
  return rows.length > 0 ? rows : [{ what, ok: true, detail: "nothing", whys: [] }];
}

/** A grant that nobody asks for does nothing today, and would be there for another module tomorrow. */
export function surplus(provider: ProviderConfig, manifest: Manifest): Finding[] {
  return unrequested(manifest, { ...provider.grants }).map((capability) => ({
    what: `provider ${provider.name}`,
    ok: false,
    detail: `it is granted ${capability}, which its module does not request`,
    hint: `Remove providers.${provider.name}.grants.${capability}.`,
  }));
}

/** What a grant lets its provider reach with these operations, for people. */
function reachOf(grant: Grant, operations: readonly string[]): string {
  if ("device" in grant) return `on ${grant.device}, hierarchies ${grant.hierarchies.join(", ")}`;
  if ("names" in grant) return `of records ${grant.names.join(", ")}`;
  if ("origin" in grant) {
    const lines = grant.allow.map(({ method, path }) => `${method} ${path}`);
    const where = grant.networks.length === 0 ? "" : ` in ${grant.networks.join(", ")}`;
    return `of ${grant.origin}${where}, ${whoOf(grant)}: ${lines.join(", ")}`;
  }
  const uses = usesOf(operations);
  const lists = (["keys", "passphrases"] as const)
    .filter((use) => (uses.length === 0 || uses.includes(use)) && namesOf(grant, use).length > 0)
    .map((use) => `${use} ${namesOf(grant, use).join(", ")}`);
  return `of ${lists.join(" and ")}`;
}

/** Who the host is at an origin: how, and by which files; nothing of what is in them. */
function whoOf({ credential, tls }: NetGrantConfig): string {
  const certificate = tls.client === undefined ? [] : [`with the certificate ${tls.client.certificate}`];
  const token =
    credential === undefined
      ? []
      : [
          `with a token ${credential.kind === "vault" ? `of Vault by ${credential.auth}` : `by ${credential.kind}`}`,
        ];
  const all = [...token, ...certificate];
  return all.length === 0 ? "as nobody" : all.join(" and ");
}

interface Row {
  readonly capability: string;
  readonly operations: readonly string[];
  readonly rpcs: readonly Rpc[];
  readonly whys: readonly string[];
}

/** Rows that differ in RPCs and reasons only, as one. */
function joined(rows: Manifest["capabilities"]): Row[] {
  const seen = new Map<
    string,
    Pick<Row, "capability" | "operations"> & { rpcs: Set<Rpc>; whys: Set<string> }
  >();
  for (const { capability, operations, rpcs, why } of rows) {
    const key = `${capability} ${operations.join(" ")}`;
    const row = seen.get(key) ?? { capability, operations, rpcs: new Set(), whys: new Set() };
    for (const rpc of rpcs) row.rpcs.add(rpc);
    row.whys.add(why);
    seen.set(key, row);
  }
  return [...seen.values()].map(({ rpcs, whys, ...row }) => ({ ...row, rpcs: [...rpcs], whys: [...whys] }));
}

/** The lists of a keystore grant: a name in one of them is for that use only. */
type Use = "keys" | "passphrases";

/** The lists that these operations are used on; info alone is used on either. */
function usesOf(operations: readonly string[]): Use[] {
  const uses: Use[] = [];
  if (operations.includes("seal") || operations.includes("open")) uses.push("keys");
  if (operations.includes("s2k")) uses.push("passphrases");
  return uses;
}

function missingUse(operations: readonly string[], grant: Grant): Use | undefined {
  if (!isKeystore(grant)) return undefined;
  return usesOf(operations).find((use) => namesOf(grant, use).length === 0);
}

function isKeystore(grant: Grant): grant is NonNullable<GrantsConfig["keystore"]> {
  return !("device" in grant || "names" in grant || "origin" in grant);
}

function namesOf(grant: NonNullable<GrantsConfig["keystore"]>, use: Use): readonly string[] {
  return grant[use] ?? [];
}
