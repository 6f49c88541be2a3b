/** The counts of a running pass. */
const MAX_REFUSALS = 20;
const MAX_MESSAGE = 500;

/** An object that the API server refused to rewrite: it stays under its old key. */
export interface Refusal {
  /** Resource, namespace and name. */
  readonly object: string;
  /** The HTTP status; 0 without an answer. */
  readonly code: number;
  readonly message: string;
}

export class Tally {
  /** Objects that were sent. */
  objects = 0;
  /** Objects that the API server rewrote; the others were current. */
  changed = 0;
  /** Objects that other clients changed or deleted meanwhile. */
  conflicts = 0;
  refused = 0;
  /** The first refusals. */
  readonly refusals: Refusal[] = [];

  refuse(object: string, code: number, message: string): void {
    this.refused += 1;
    if (this.refusals.length < MAX_REFUSALS)
      this.refusals.push({ object, code, message: message.slice(0, MAX_MESSAGE) });
  }
}
