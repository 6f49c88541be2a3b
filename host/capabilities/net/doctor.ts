/**
 * Examines each granted origin for `kleidi doctor`: files, name, connection, login, policy. The first step that fails ends the series, so
 * the first failed line is the one to fix.
 */
import { type Finding, withEnd } from "../../finding.ts";
import type { Examined, GrantContext } from "../capability.ts";
import { endFindings } from "./check.ts";
import { examineOrigin } from "./examine.ts";
import { CredentialRefused, Unreachable } from "./exchange.ts";
import type { NetConfig } from "./grant.ts";
import { createCredential } from "./login/credential.ts";
import type { CredentialConfig } from "./login/grant.ts";
import { methodOf } from "./login/methods.ts";
import { connectorOf, createTransport } from "./transport.ts";

const TIMEOUT_MS = 5000;

const REMEDIES = {
  files:
    "Look at the files that grants.net.tls names: they are PEM, and the user that the host runs as must be able to read them.",
  name: "Look at the name in grants.net.origin and at this machine's resolver; a private address needs its network under grants.net.networks.",
  connection:
    "Check that the server is up, the firewall and, in a unit, IPAddressAllow=; certificates are verified against grants.net.tls.",
} as const;

export async function examineOrigins({ grants }: GrantContext<NetConfig>): Promise<Examined[]> {
  const all: Examined[] = [];
  for (const [provider, net] of grants)
    all.push({ provider, findings: await examineProvider(`net ${provider}`, provider, net) });
  return all;
}

async function examineProvider(subject: string, provider: string, net: NetConfig): Promise<Finding[]> {
  const steps = await examineOrigin(net, TIMEOUT_MS);
  // First: an end can be the reason for which the connection fails.
  const ends = steps[0]?.step === "files" ? [] : endFindings(provider, net);
  const connected = steps.map(
    ({ step, ok, detail, end }): Finding =>
      withEnd(
        { subject: `${subject} ${step}`, ok, detail, ...(ok ? {} : { hint: REMEDIES[step] }) },
        end,
        "Have the certificate of the server renewed: after its end, no connection is made.",
      ),
  );
  const findings = [...ends, ...connected];
  if (net.credential === undefined || findings.some(({ ok }) => !ok)) return findings;
  return [...findings, ...(await login(subject, provider, net, net.credential))];
}

async function login(
  subject: string,
  provider: string,
  net: NetConfig,
  config: CredentialConfig,
): Promise<Finding[]> {
  const transport = createTransport({ ...net, once: true });
  const { send } = transport;
  let expires: number | undefined;
  const credential = createCredential(config, {
    provider,
    origin: net.origin,
    send,
    connect: connectorOf(net),
    onEvent: (event) => {
      expires = event.expires ?? expires;
    },
  });
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    await credential.lease(signal);
    const until = expires === undefined ? "" : `, until ${new Date(expires).toISOString()}`;
    const method = methodOf(config);
    const detail = `the host has a token ${method.source(config)}${until}`;
    // A lease is for one request.
    const use = async () => ({ allow: net.allow, send, lease: await credential.lease(signal) });
    return [
      { subject: `${subject} login`, ok: true, detail },
      ...((await method.checkLimits?.(`${subject} limits`, config, await credential.limits(signal))) ?? []),
      ...((await method.checkPolicy?.(`${subject} policy`, config, await use(), signal)) ?? []),
    ];
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    const hint =
      error instanceof CredentialRefused
        ? "Look at grants.net.credential: the secret, the role, the mount and the namespace of the auth method."
        : "Look at the files of grants.net.credential; if a request reached the server, also at its log.";
    return [{ subject: `${subject} login`, ok: false, detail: error.message, hint }];
  } finally {
    await credential.close();
    await transport.close();
  }
}
