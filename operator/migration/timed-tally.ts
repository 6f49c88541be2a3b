/** A pass with its times, as the status of a KeyRotation reports it. */
import { Tally } from "../../host/migration/tally.ts";
import type { Pass } from "../api/key-rotation.ts";
import { rfc3339 } from "../cluster/resources.ts";

export class TimedTally extends Tally {
  readonly #startedAt = Date.now();
  #endedAt: number | undefined;

  end(): void {
    this.#endedAt = Date.now();
  }

  pass(): Pass {
    const { objects, changed, conflicts, refused, refusals } = this;
    return {
      startedAt: rfc3339(this.#startedAt),
      ...(this.#endedAt === undefined ? {} : { endedAt: rfc3339(this.#endedAt) }),
      objects,
      changed,
      conflicts,
      refused,
      ...(refusals.length === 0 ? {} : { refusals: [...refusals] }),
    };
  }
}
