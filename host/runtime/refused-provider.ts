/**
 * A provider whose module is not admitted: it is missing, unreadable, of another digest, not signed or not granted. It stops only itself:
 * no process is started, every call on its keys fails with the reason, and the other providers serve.
 */
import type { ProviderConfig } from "../config/config.ts";
import type { KleidiError } from "../error.ts";
import type { Provider } from "../kms/provider.ts";
import type { ProviderState } from "../sandbox/supervisor.ts";

export class RefusedProvider implements Provider {
  readonly name: string;
  readonly failure: KleidiError;

  constructor({ name }: ProviderConfig, failure: KleidiError) {
    this.name = name;
    this.failure = failure;
  }

  async status(): Promise<never> {
    throw this.failure;
  }

  async encrypt(): Promise<never> {
    throw this.failure;
  }

  async decrypt(): Promise<never> {
    throw this.failure;
  }
}

/** The state of a refused provider. */
export const NEVER_STARTED: ProviderState = {
  state: "stopped",
  processes: 0,
  wanted: 0,
  ends: 0,
  inFlight: 0,
  waiting: 0,
};
