/**
 * What `kleidi doctor` says of each origin that a provider is granted: name, connection, login, policy; and of each key of that
 * provider, as the provider itself sees it. A step that fails ends the row, so that the first line in red is the one to mend.
 */

import { examineOrigin } from "../capabilities/net/examine.ts";
import { CredentialRefused, Unreachable } from "../capabilities/net/exchange.ts";
import { createCredential } from "../capabilities/net/login/credential.ts";
import { createTransport } from "../capabilities/net/transport.ts";
import type { Config, CredentialConfig, NetGrantConfig, ProviderConfig } from "../config/config.ts";
import { checkStatusReply } from "../kms/check-reply.ts";
import { assemble } from "../runtime/assemble.ts";
import { type Finding, finding } from "../runtime/finding.ts";
import { createLog } from "../telemetry/log.ts";
import { policyFindings } from "./vault-policy.ts";

const TIMEOUT_MS = 5000;

const REMEDIES = {
  files:
    "Look at the files that grants.net.tls names: they are PEM, and the user that the host runs as must be able to read them.",
  name: "Look at the name in grants.net.origin and at this machine's resolver; a private address needs its network under grants.net.networks.",
  connection:
    "Look at whether the server is up, at the firewall and in a unit at IPAddressAllow=; a certificate is held against grants.net.tls.",
} as const;

export async function netFindings(config: Config): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const provider of config.providers) {
    const { net } = provider.grants;
    if (net === undefined) continue;
    const way = await wayTo(`net ${provider.name}`, provider.name, net);
    findings.push(...way);
    if (way.every(({ ok }) => ok)) findings.push(...(await keysOf(config, provider)));
  }
  return findings;
}

async function wayTo(what: string, provider: string, net: NetGrantConfig): Promise<Finding[]> {
  const steps = await examineOrigin(net, TIMEOUT_MS);
  const findings = steps.map(
    ({ step, ok, detail }): Finding => ({
      what: `${what} ${step}`,
      ok,
      detail,
      ...(ok ? {} : { hint: REMEDIES[step] }),
    }),
  );
  if (net.credential === undefined || findings.some(({ ok }) => !ok)) return findings;
  return [...findings, ...(await login(what, provider, net, net.credential))];
}

async function login(
  what: string,
  provider: string,
  net: NetGrantConfig,
  config: CredentialConfig,
): Promise<Finding[]> {
  const transport = createTransport({ ...net, once: true });
  const { send } = transport;
  let expires: number | undefined;
  const credential = createCredential(config, {
    provider,
    send,
    onEvent: (event) => {
      expires = event.expires ?? expires;
    },
  });
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const lease = await credential.lease(signal);
    const until = expires === undefined ? "" : `, until ${new Date(expires).toISOString()}`;
    const how = config.kind === "vault" ? `by ${config.auth}` : `by ${config.kind}`;
    const said: Finding = { what: `${what} login`, ok: true, detail: `the host has a token ${how}${until}` };
    if (config.kind !== "vault") return [said];
    const { namespace } = config;
    return [said, ...(await policyFindings(`${what} policy`, net, { send, lease, namespace }, signal))];
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    const hint =
      error instanceof CredentialRefused
        ? "Look at grants.net.credential: the secret, the role, the mount and the namespace of the auth method."
        : "Look at the files of grants.net.credential; where the server was asked, also at its log.";
    return [{ what: `${what} login`, ok: false, detail: error.message, hint }];
  } finally {
    await credential.close();
    await transport.close();
  }
}

/** What the provider itself says of its keys, in a sandbox of its own. */
async function keysOf(config: Config, provider: ProviderConfig): Promise<Finding[]> {
  const keys = config.keys.filter((key) => key.provider === provider.name);
  const alone = { ...config, providers: [provider], keys };
  const findings: Finding[] = [];
  try {
    const host = await assemble(alone, createLog({ level: "error" }));
    try {
      await host.start();
      for (const key of host.keyset.keys) {
        const what = `net ${provider.name} key ${key.name}`;
        try {
          const versions = await key.provider.status(key.name);
          checkStatusReply(provider.name, versions);
          const older = versions.olderVersions.length;
          findings.push({ what, ok: true, detail: `version ${versions.version}, and ${older} older ones` });
        } catch (error) {
          findings.push(finding(what, error));
        }
      }
    } finally {
      await host.stop();
    }
  } catch (error) {
    findings.push(finding(`net ${provider.name}`, error));
  }
  return findings;
}
