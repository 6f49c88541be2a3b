/** What `kleidi doctor` says about the limits of a Vault or OpenBao credential, with the setting to change. */
import { type Finding, withEnd } from "../../../../finding.ts";
import { warningBefore } from "../../../../lib/expiry.ts";
import type { CredentialLimit } from "../limits.ts";
import type { VaultLogin } from "./grant.ts";

/** @param subject the beginning of each finding */
export function limitFindings(
  subject: string,
  config: VaultLogin,
  limits: readonly CredentialLimit[],
): Finding[] {
  const findings = limits.flatMap((limit) => {
    if (limit.kind === "secret-id") return secretFindings(subject, config, limit);
    return config.auth === "token" ? fileFindings(subject, limit) : loginFindings(subject, config, limit);
  });
  if (findings.length > 0 || limits.length === 0) return findings;
  return [{ subject, ok: true, detail: "neither a number of uses nor an end limits the credential" }];
}

/** A token that the next login replaces. */
function loginFindings(subject: string, config: VaultLogin, { usesLeft }: CredentialLimit): Finding[] {
  if (usesLeft === undefined) return [];
  const detail = `each login gives a token for ${usesLeft} requests only, so that the host logs in often and calls wait for it`;
  const hint = `Set token_num_uses=0 at the role of auth/${mountOf(config)}.`;
  return [{ subject, ok: true, warning: true, detail, hint }];
}

function fileFindings(subject: string, { usesLeft, end, unknown }: CredentialLimit): Finding[] {
  if (unknown !== undefined) {
    const detail = `the server does not report the limits of the token: ${unknown}`;
    return [
      {
        subject,
        ok: true,
        warning: true,
        detail,
        hint: `Add to its policy:\n${stanza("auth/token/lookup-self", "read")}`,
      },
    ];
  }
  const findings: Finding[] = [];
  if (usesLeft !== undefined) {
    const detail = `the token is good for ${usesLeft} more requests, and then for none`;
    const hint = "Create the token without a number of uses (num_uses=0, no -use-limit).";
    findings.push({ subject, ok: false, detail, hint });
  }
  if (end !== undefined) {
    const detail = `the token cannot be renewed beyond ${timeOf(end.at)}`;
    const hint =
      "Create a periodic token (vault token create -orphan -period=24h), without explicit_max_ttl and not of type batch; or let a program such as Vault Agent replace the file in time.";
    findings.push(withEnd({ subject, ok: true, detail }, soon(end.at), hint));
  }
  return findings;
}

function secretFindings(
  subject: string,
  config: VaultLogin,
  { usesLeft, end, unknown }: CredentialLimit,
): Finding[] {
  const role = `auth/${mountOf(config)}/role/<role>`;
  if (unknown !== undefined) {
    const detail = `it is not known if a number of uses or an end limits the secret id: ${unknown}`;
    const hint = `Make sure of secret_id_num_uses=0 and secret_id_ttl=0 at ${role}, or let the host ask; add to its policy:\n${stanza(`${role}/secret-id/lookup`, "update")}`;
    return [{ subject, ok: true, warning: true, detail, hint }];
  }
  const findings: Finding[] = [];
  if (usesLeft !== undefined) {
    const detail = `the secret id is good for ${usesLeft} more logins, and then for none`;
    const hint = `Set secret_id_num_uses=0 at ${role}, and give the host a new secret id.`;
    findings.push({ subject, ok: false, detail, hint });
  }
  if (end !== undefined) {
    const detail = `the secret id is good until ${timeOf(end.at)}`;
    const hint = `Set secret_id_ttl=0 at ${role}, and give the host a new secret id; or replace the file before that time, again and again.`;
    findings.push(withEnd({ subject, ok: true, detail }, soon(end.at), hint));
  }
  return findings;
}

/** However short its life: nothing shows that another program replaces it. */
function soon(at: number): { readonly at: number; readonly warningMs: number } {
  return { at, warningMs: warningBefore(Number.POSITIVE_INFINITY) };
}

function mountOf({ auth, mount }: VaultLogin): string {
  return mount ?? auth;
}

function timeOf(at: number): string {
  return new Date(at).toISOString();
}

function stanza(path: string, capability: string): string {
  return `path "${path}" {\n  capabilities = ["${capability}"]\n}`;
}
