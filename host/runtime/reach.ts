/** The reach of a provider for `kleidi check`: capabilities that are requested, granted, and granted without a request. */
import { capabilityOf } from "../capabilities/registry.ts";
import type { ProviderConfig } from "../config/config.ts";
import type { Finding } from "../finding.ts";
import type { Rpc } from "../host-call.ts";
import { unrequested } from "../module/authority.ts";
import type { Manifest } from "../module/manifest.ts";

/** With the author's reasons. */
export interface Reached extends Finding {
  readonly whys: readonly string[];
}

/** The reach of each RPC by the manifest, which admission has compared with the code. */
export function reach(provider: ProviderConfig, manifest: Manifest): Reached[] {
  const subject = `provider ${provider.name} can reach`;
  const rows = joined(manifest.capabilities).map(({ capability, operations, rpcs, whys }): Reached => {
    const form = capabilityOf(capability)?.grant;
    const grant: { rpcs?: readonly string[] } | undefined = Object.entries(provider.grants).find(
      ([name]) => name === capability,
    )?.[1];
    const allowed = rpcs.filter((rpc) => grant?.rpcs === undefined || grant.rpcs.some((one) => one === rpc));
    const where = allowed.length > 0 ? `in ${allowed.join(", ")}` : "nowhere, as the grant is narrowed";
    const need = `${capability} ${operations.join(", ")} ${where}`;
    if (form === undefined) return { subject, ok: true, detail: `${need} (always granted)`, whys };
    const missing = form.missing?.(grant, operations);
    if (missing === undefined)
      return { subject, ok: true, detail: `${need}, ${form.reach(grant, operations)}`, whys };
    return {
      subject,
      ok: false,
      whys,
      detail: `${need} is requested and not granted`,
      hint: `If it may have it, write under providers.${provider.name}: grants: { ${missing} }`,
    };
  });
  return rows.length > 0 ? rows : [{ subject, ok: true, detail: "nothing", whys: [] }];
}

/** Grants that the module does not request. They have no effect today, and would apply to another module tomorrow. */
export function surplus(provider: ProviderConfig, manifest: Manifest): Finding[] {
  return unrequested(manifest, { ...provider.grants }).map((capability) => ({
    subject: `provider ${provider.name}`,
    ok: false,
    detail: `it is granted ${capability}, which its module does not request`,
    hint: `Remove providers.${provider.name}.grants.${capability}.`,
  }));
}

interface Row {
  readonly capability: string;
  readonly operations: readonly string[];
  readonly rpcs: readonly Rpc[];
  readonly whys: readonly string[];
}

/** Joins rows that differ only in RPCs and reasons. */
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
