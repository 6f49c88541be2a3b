/**
 * Checks with the server (sys/capabilities-self) that the policy of a Vault or OpenBao token allows the granted requests. A finding has
 * the missing stanza as its hint.
 */
import type { Finding } from "../../../../finding.ts";
import type { LeaseUse } from "../method.ts";
import { REQUEST_HEADER } from "./recipe.ts";

/** The policy capability of each HTTP method. */
const CAPABILITY: Readonly<Record<string, string>> = {
  GET: "read",
  HEAD: "read",
  POST: "update",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

const ASK_REMEDY = `To have it checked, add to its policy:
${stanza({ method: "POST", path: "sys/capabilities-self" })}
Until then, read the policy yourself: it must allow the granted requests, and no "create".`;

/** @param namespace the token's namespace, which the paths in its policy leave out */
export async function policyFindings(
  subject: string,
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
  const headers = { ...REQUEST_HEADER, "content-type": "application/json" };
  const path = `${prefix}sys/capabilities-self`;
  const response = await send(lease.sign({ method: "POST", path, headers, body }), signal);
  const given = response.status === 200 ? capabilitiesOf(response.body) : undefined;
  if (given === undefined) {
    const detail = `unknown: the host may not ask which requests the token's policy allows (status ${response.status} at sys/capabilities-self)`;
    return [{ subject, ok: true, warning: true, detail, hint: ASK_REMEDY }];
  }
  const missing = lines.filter(
    ({ method, path }) => !allows(given.get(path) ?? [], CAPABILITY[method] ?? ""),
  );
  const findings: Finding[] = [];
  if (missing.length > 0) {
    findings.push({
      subject,
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
      subject,
      ok: false,
      detail: root
        ? "the token has the root policy: it may do everything"
        : `the token may create at ${path}: Encrypt with a missing key would create one`,
      hint: root ? "Give the host a policy of its own." : 'Remove "create" from the policy.',
    });
    if (root) break;
  }
  return findings.length > 0
    ? findings
    : [
        {
          subject,
          ok: true,
          detail: "the token's policy allows the granted requests, and cannot create keys",
        },
      ];
}

function allows(capabilities: readonly string[], wanted: string): boolean {
  return !capabilities.includes("deny") && (capabilities.includes(wanted) || capabilities.includes("root"));
}

function stanza({ method, path }: { method: string; path: string }): string {
  return `path "${path}" {\n  capabilities = ["${CAPABILITY[method] ?? method}"]\n}`;
}

/** Path → capabilities; undefined if the answer is malformed. */
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
