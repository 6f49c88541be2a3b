/**
 * The actions of the admin listener: POST requests that change the state of a running host. A host offers them only on a socket that its own
 * user alone may open (docs/decisions/0030-admin-actions.md). A request has no body: the path is the whole request.
 */

export interface ActionResult {
  /** False: the action was refused or failed; the reply has the status 409. */
  readonly ok: boolean;
  /** The rest of the JSON object of the reply. It has no secrets. */
  readonly [name: string]: unknown;
}

/** By path, such as "/refresh". */
export type AdminActions = ReadonlyMap<string, () => Promise<ActionResult>>;

/** The longest life of a connection that asked for an action, in milliseconds. */
export const ACTION_MS = 60_000;

/**
 * Lets an action run once at a time: callers that come while it runs get its result.
 * @example const refresh = shared(() => prober.refresh());
 */
export function shared<T>(run: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => {
    running ??= run().finally(() => {
      running = undefined;
    });
    return running;
  };
}
