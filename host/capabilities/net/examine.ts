/** Examines the connection to an origin, step by step, for `kleidi doctor`. Sends nothing but a TLS handshake. */

import { TLSSocket } from "node:tls";
import { type CertificateEnd, commonNameOf, endOfChain } from "./certificate-end.ts";
import { Dialer, type Target } from "./dial.ts";
import { Unreachable } from "./exchange.ts";

export interface Step {
  readonly step: "files" | "name" | "connection";
  readonly ok: boolean;
  readonly detail: string;
  /** Of the server's certificate, or of one in its chain that ends before it. */
  readonly end?: CertificateEnd | undefined;
}

/**
 * Examines the TLS files (reported only if they fail), the name, then connection and certificate. Ends with the first step that fails.
 * @param ms time limit of a step
 */
export async function examineOrigin(target: Target, ms: number): Promise<Step[]> {
  const dialer = new Dialer(target);
  const steps: Step[] = [];
  const never = new AbortController().signal;
  let step: Step["step"] = "files";
  try {
    dialer.assertFiles();
    step = "name";
    const addresses = await dialer.addresses(ms, never);
    steps.push({
      step,
      ok: true,
      detail: `${dialer.host} is at ${addresses.slice(0, 4).join(", ")}${addresses.length > 4 ? ` and ${addresses.length - 4} more` : ""}`,
    });
    step = "connection";
    const socket = await dialer.dial(ms, never);
    steps.push({ step, ok: true, ...describe(socket instanceof TLSSocket ? socket : undefined, dialer) });
    socket.destroy();
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    steps.push({ step, ok: false, detail: error.message });
  }
  return steps;
}

function describe(socket: TLSSocket | undefined, { where }: Dialer): Pick<Step, "detail" | "end"> {
  if (socket === undefined) return { detail: `${where} takes connections, in the clear` };
  const certificate = socket.getPeerCertificate(true);
  const { subject, issuer, valid_to } = certificate;
  const end = endOfChain(certificate);
  const issued = `${commonNameOf(subject)}, by ${commonNameOf(issuer)}, until ${dayOf(Date.parse(valid_to))}`;
  const above =
    end === undefined || end.at >= Date.parse(valid_to)
      ? ""
      : `, and that of ${end.subject}, above it, until ${dayOf(end.at)}`;
  return {
    detail: `${where} takes connections over ${socket.getProtocol()}; its certificate: ${issued}${above}`,
    end,
  };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
