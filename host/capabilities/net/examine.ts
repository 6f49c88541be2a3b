/** Examines the connection to an origin, step by step, for `kleidi doctor`. Sends nothing but a TLS handshake. */

import { TLSSocket } from "node:tls";
import { replaceNonAscii } from "../../lib/text.ts";
import { Dialer, type Target } from "./dial.ts";
import { Unreachable } from "./exchange.ts";

export interface Step {
  readonly step: "files" | "name" | "connection";
  readonly ok: boolean;
  readonly detail: string;
}

/** The part of a certificate's lifetime that counts as soon. A part, because some certificates live for hours. */
const EXPIRES_SOON_PART = 0.1;

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
      detail: `${dialer.host} is at ${addresses.slice(0, 4).join(", ")}`,
    });
    step = "connection";
    const socket = await dialer.dial(ms, never);
    steps.push({ step, ...describe(socket instanceof TLSSocket ? socket : undefined, dialer) });
    socket.destroy();
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    steps.push({ step, ok: false, detail: error.message });
  }
  return steps;
}

function describe(socket: TLSSocket | undefined, { where }: Dialer): { ok: boolean; detail: string } {
  if (socket === undefined) return { ok: true, detail: `${where} takes connections, in the clear` };
  const { subject, issuer, valid_from, valid_to } = socket.getPeerCertificate();
  const ends = new Date(valid_to);
  const who = `${commonNameOf(subject)}, by ${commonNameOf(issuer)}, until ${ends.toISOString().slice(0, 10)}`;
  const detail = `${where} takes connections over ${socket.getProtocol()}; its certificate: ${who}`;
  const life = ends.getTime() - Date.parse(valid_from);
  return ends.getTime() - Date.now() < life * EXPIRES_SOON_PART
    ? { ok: false, detail: `${detail}, which is soon: less than a tenth of its life is left` }
    : { ok: true, detail };
}

/** The common name; a certificate is not trusted to contain text. */
function commonNameOf(name: unknown): string {
  const { CN } = (name ?? {}) as { readonly CN?: unknown };
  return typeof CN === "string" ? replaceNonAscii(CN.slice(0, 64)) : "no common name";
}
