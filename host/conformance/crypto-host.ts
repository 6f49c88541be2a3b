/** kleidi:crypto in the host, for a module whose host calls are recorded. A serving host computes it in the provider's process. */
import { answer, type Gate, HostCode, refusal } from "../host-call.ts";
import { compute, NotAuthentic } from "../sandbox/guest/crypto.mjs";

/** A gate that computes kleidi:crypto, and passes everything else on. */
export function withCrypto(inner: Gate): Gate {
  return async (call) => {
    if (call.capability !== "crypto") return await inner(call);
    try {
      const body = compute(call.operation, call.request);
      return body === undefined ? refusal(HostCode.INVALID, "there is no such operation") : answer(body);
    } catch (error) {
      const code = error instanceof NotAuthentic ? HostCode.NOT_AUTHENTIC : HostCode.INVALID;
      return refusal(code, (error as Error).message);
    }
  };
}
