/** The counts of a running pass. */
import type { Pass, Refusal } from "../api/key-rotation.ts";
import { rfc3339 } from "../cluster/resources.ts";

const MAX_REFUSALS = 20;
const MAX_MESSAGE = 500;

export class Tally {
  readonly #startedAt = Date.now();
  #endedAt: number | undefined;
  objects = 0;
  changed = 0;
  conflicts = 0;
  #refused = 0;
  readonly #refusals: Refusal[] = [];

  refuse(object: string, code: number, message: string): void {
    this.#refused += 1;
    if (this.#refusals.length < MAX_REFUSALS)
      this.#refusals.push({ object, code, message: message.slice(0, MAX_MESSAGE) });
  }

  end(): void {
    this.#endedAt = Date.now();
  }

  pass(): Pass {
    return {
      startedAt: rfc3339(this.#startedAt),
      ...(this.#endedAt === undefined ? {} : { endedAt: rfc3339(this.#endedAt) }),
      objects: this.objects,
      changed: this.changed,
      conflicts: this.conflicts,
      refused: this.#refused,
      ...(this.#refusals.length === 0 ? {} : { refusals: [...this.#refusals] }),
    };
  }
}
