/**
 * Whether the policy of a token of Vault or OpenBao allows what a grant allows: asked of the server itself (sys/capabilities-self). What is
 * missing comes back as the stanza to write.
 */
import type { Finding } from "../../../../finding.ts";
import type { LeaseUse } from "../method.ts";

/** What each method is called in a policy. */
const CAPABILITY: Readonly<Record<string, string>> = {
  GET: "read",
  HEAD: "read",
  POST: "update",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** @param namespace of the token; paths in its policy are without it */
export async function policyFindings(
  what: string,
  { allow, send, lease }: LeaseUse,
  namespace: string | undefined,
  signal: AbortSignal,
): Promise<Finding[]> {
  const prefix = namespace === undefined ? "/v1/" : `/v1/${namespace}/`;
  const lines = allow.flatMap(({ method, path }) =>
    path.startsWith(prefix) && !path.endsWith("/") ? [{ method, path: path.slice(prefix.length) }] : [],
  );
  if (lines.length === 0) return [];
  const body = Buffer.from(JSON.stringify({ paths: [...new Set(lines.map(({ path }) => path))] }));
  const headers = { "content-type": "application/json" };
  const path = `${prefix}sys/capabilities-self`;
  const response = await send(lease.sign({ method: "POST", path, headers, body }), signal);
  const given = response.status === 200 ? capabilitiesOf(response.body) : undefined;
  if (given === undefined) {
    const why = `the server does not tell (status ${response.status} at sys/capabilities-self); what the provider says of its keys has to do`;
    return [{ what, ok: true, detail: why }];
  }
  const missing = lines.filter(
    ({ method, path }) => !allows(given.get(path) ?? [], CAPABILITY[method] ?? ""),
  );
  const findings: Finding[] = [];
  if (missing.length > 0) {
    findings.push({
      what,
      ok: false,
      detail: `the token's policy lacks ${missing.map(({ method, path }) => `${method} ${path}`).join(", ")}`,
      hint: `Add to its policy:\n${missing.map(stanza).join("\n")}`,
    });
  }
  const makes = lines.filter(
    ({ path }) => path.includes("/encrypt/") && allows(given.get(path) ?? [], "create"),
  );
  for (const { path } of makes) {
    const root = given.get(path)?.includes("root") === true;
    findings.push({
      what,
      ok: false,
      detail: root
        ? "the token is one of root: it may do everything"
        : `the token may create at ${path}: Encrypt with a key that is missing would make one`,
      hint: root ? "Give the host a policy of its own." : 'Take "create" out of the policy.',
    });
    if (root) break;
  }
  return findings.length > 0
    ? findings
    : [{ what, ok: true, detail: `the token may do what is granted, and at encrypt not more` }];
}

function allows(capabilities: readonly string[], wanted: string): boolean {
  return !capabilities.includes("deny") && (capabilities.includes(wanted) || capabilities.includes("root"));
}

function stanza({ method, path }: { method: string; path: string }): string {
  return `path "${path}" {\n  capabilities = ["${CAPABILITY[method] ?? method}"]\n}`;
}

/** Path → capabilities; undefined where the answer is none. */
function capabilitiesOf(body: Uint8Array): ReadonlyMap<string, readonly string[]> | undefined {
  try {
    const { data } = JSON.parse(Buffer.from(body).toString()) as { data?: Record<string, unknown> };
    if (typeof data !== "object" || data === null) return undefined;
    return new Map(
      Object.entries(data).map(([path, words]) => [
        path,
        Array.isArray(words) ? words.filter((word) => typeof word === "string") : [],
      ]),
    );
  } catch {
    return undefined;
  }
}
