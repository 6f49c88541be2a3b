/**
 * How long an RPC waited for something outside of the host (its provider's TPM or KMS), so that the rest is known to be the
 * host's own. Host calls run in the async context of the RPC whose guest makes them (sandbox/child.ts); probes have no RPC, and
 * what they wait for is nobody's.
 */
import { AsyncLocalStorage } from "node:async_hooks";

interface Account {
  waitedMs: number;
  /** Waits that go on: time in which there is more than one counts once. */
  open: number;
  since: number;
}

export class RpcClock {
  readonly #accounts = new AsyncLocalStorage<Account>();

  /** Runs an RPC: what is waited for inside of it is its own. */
  run<T>(work: () => T): T {
    return this.#accounts.run({ waitedMs: 0, open: 0, since: 0 }, work);
  }

  /** Runs work that waits for something outside. */
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

  /** Milliseconds that this RPC waited until now; 0 outside of one. A wait that goes on counts: past a deadline there is one. */
  waitedMs(): number {
    const account = this.#accounts.getStore();
    if (account === undefined) return 0;
    return account.waitedMs + (account.open > 0 ? performance.now() - account.since : 0);
  }
}
