/**
 * Measures how long an RPC waits for its provider's TPM or KMS; the rest is the overhead of the host. Host calls run in the async context
 * of the RPC whose guest makes them (sandbox/pending-calls.ts). Probes have no RPC, so their waits are not counted.
 */
import { AsyncLocalStorage } from "node:async_hooks";

interface Account {
  waitedMs: number;
  /** Waits in progress; the time of overlapping waits counts once. */
  open: number;
  since: number;
}

export class RpcClock {
  readonly #accounts = new AsyncLocalStorage<Account>();

  /** Runs an RPC; waits inside `work` are attributed to it. */
  run<T>(work: () => T): T {
    return this.#accounts.run({ waitedMs: 0, open: 0, since: 0 }, work);
  }

  /** Runs work that waits for a TPM or KMS. */
  async waiting<T>(work: () => Promise<T>): Promise<T> {
    const account = this.#accounts.getStore();
    if (account === undefined) return await work();
    if (account.open++ === 0) account.since = performance.now();
    try {
      return await work();
    } finally {
      if (--account.open === 0) account.waitedMs += performance.now() - account.since;
    }
  }

  /** Milliseconds that the current RPC has waited, including a wait in progress (after a deadline there is one); 0 outside an RPC. */
  waitedMs(): number {
    const account = this.#accounts.getStore();
    if (account === undefined) return 0;
    return account.waitedMs + (account.open > 0 ? performance.now() - account.since : 0);
  }
}
