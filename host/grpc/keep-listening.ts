/** Keeps a Unix socket in its place: a socket that was removed or replaced under the running host is noticed and bound again. */
import { type KleidiError, toKleidiError } from "../error.ts";
import type { Listener } from "./listener.ts";

export interface SocketEvents {
  /** The socket is no longer the one that was bound. Called once for each loss. */
  lost(): void;
  /** It cannot be bound again yet; called once for each cause. It is tried again at the next check. */
  refused(failure: KleidiError): void;
  bound(): void;
}

export interface KeptListener {
  /** The reason why no caller can connect now; undefined while the socket is in its place. */
  failure(): KleidiError | undefined;
  /** Ends the checks and closes the socket. */
  close(): void;
}

/**
 * Opens a listener and checks its socket at an interval. Connections that are open stay open when it is bound again.
 * @param open binds the socket
 * @param intervalMs milliseconds between two checks
 * @throws the error of the first `open`
 */
export async function keepListening(
  open: () => Promise<Listener>,
  intervalMs: number,
  events: SocketEvents,
): Promise<KeptListener> {
  let listener: Listener | undefined = await open();
  let failure: KleidiError | undefined;
  let closed = false;
  const bind = async () => {
    try {
      const bound = await open();
      if (closed) return bound.close();
      listener = bound;
      failure = undefined;
      events.bound();
    } catch (error) {
      const refused = toKleidiError(error, "bind the socket again");
      if (refused.message !== failure?.message) events.refused(refused);
      failure = refused;
    }
  };
  const check = async () => {
    if (listener?.isInPlace() === false) {
      events.lost();
      listener.close();
      listener = undefined;
    }
    if (listener === undefined) await bind();
    if (!closed) timer = setTimeout(check, intervalMs).unref();
  };
  let timer = setTimeout(check, intervalMs).unref();
  return {
    failure: () => failure,
    close() {
      closed = true;
      clearTimeout(timer);
      listener?.close();
    },
  };
}
