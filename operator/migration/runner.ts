/** Runs one pass at a time, concurrently with the loop of the controller. */

import { ApiError } from "../../host/migration/api.ts";
import { patchPass } from "../../host/migration/patch-pass.ts";
import type { EncryptionPolicySpec } from "../api/encryption-policy.ts";
import type { Pass } from "../api/key-rotation.ts";
import type { Client } from "../cluster/client.ts";
import { TimedTally } from "./timed-tally.ts";
import { versionMigrationPass } from "./version-migration.ts";

export interface PassOrder {
  readonly rotation: string;
  readonly resource: string;
  readonly kind: "rewrite" | "proof";
  readonly migration: EncryptionPolicySpec["migration"];
}

interface Running {
  readonly id: string;
  readonly tally: TimedTally;
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

export class PassRunner {
  readonly #client: Client;
  #running: Running | undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Starts the pass if it is not running yet. @returns its counts so far, or its outcome, after which the runner forgets it */
  take(order: PassOrder): Pass {
    const id = `${order.rotation} ${order.kind} ${order.resource}`;
    if (this.#running?.id !== id) {
      this.stop();
      this.#running = this.#start(id, order);
    }
    const pass = this.#running.tally.pass();
    if (pass.endedAt !== undefined) this.#running = undefined;
    return pass;
  }

  /** Resolves when the running pass ends; at once if none is running. */
  async ended(): Promise<void> {
    await this.#running?.ended;
  }

  get runs(): boolean {
    return this.#running !== undefined;
  }

  stop(): void {
    this.#running?.abort.abort();
    this.#running = undefined;
  }

  #start(id: string, order: PassOrder): Running {
    const tally = new TimedTally();
    const abort = new AbortController();
    const ended = this.#run(order, abort.signal, tally).then(
      () => tally.end(),
      (error) => {
        if (abort.signal.aborted) return;
        const { code, message } = error instanceof ApiError ? error : { code: 0, message: String(error) };
        tally.refuse(order.resource, code, message);
        tally.end();
      },
    );
    return { id, tally, abort, ended };
  }

  async #run(
    { rotation, resource, kind, migration }: PassOrder,
    signal: AbortSignal,
    tally: TimedTally,
  ): Promise<void> {
    const { by, workers, pageSize } = migration;
    const client = this.#client;
    if (by === "Operator") return await patchPass({ client, resource, workers, pageSize, signal }, tally);
    await versionMigrationPass(client, resource, `kleidi.${rotation}.${kind}.${resource}`, signal, tally);
  }
}
