/** Looks at the way to an origin, step by step, for `kleidi doctor`. Nothing is sent but a TLS handshake. */

import { TLSSocket } from "node:tls";
import { replaceNonAscii } from "../../lib/text.ts";
import { Dialer, type Target } from "./dial.ts";
import { Unreachable } from "./exchange.ts";

export interface Step {
  readonly step: "files" | "name" | "connection";
  readonly ok: boolean;
  readonly detail: string;
}

/** Of a certificate's life: some live for hours, and are renewed when less is left. */
const LAST_PART = 0.1;

/** Files of TLS (told only where they fail), name, then connection and certificate; ends with the first step that fails. @param ms for all of the connection */
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
  const who = `${nameOf(subject)}, by ${nameOf(issuer)}, until ${ends.toISOString().slice(0, 10)}`;
  const detail = `${where} takes connections over ${socket.getProtocol()}; its certificate: ${who}`;
  const life = ends.getTime() - Date.parse(valid_from);
  return ends.getTime() - Date.now() < life * LAST_PART
    ? { ok: false, detail: `${detail}, which is soon: less than a tenth of its life is left` }
    : { ok: true, detail };
}

/** What a certificate says is not trusted to be text. */
function nameOf(name: unknown): string {
  const { CN } = (name ?? {}) as { readonly CN?: unknown };
  return typeof CN === "string" ? replaceNonAscii(CN.slice(0, 64)) : "no common name";
}
