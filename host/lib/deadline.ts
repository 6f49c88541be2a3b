/** Deadlines for promises. When the time is over or a signal is aborted, the caller stops waiting; the work itself continues. */

/**
 * Waits for work until a deadline.
 * @param ms the time limit in milliseconds
 * @param late creates the error for a missed deadline
 * @returns the result of the work. A failure of the work after the deadline is ignored.
 * @throws the error of the work, or the error that `late` creates
 * @example await within(2_000, connection.exchange(command), () => new TransportError("no answer in 2000 ms"));
 */
export function within<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => reject(late()), ms);
  // Each RPC passes here: no promise is made for finally().
  const settle =
    <A>(how: (value: A) => void) =>
    (value: A) => {
      clearTimeout(timer);
      how(value);
    };
  work.then(settle(resolve), settle(reject));
  return promise;
}

/**
 * Waits for work until a deadline. A missed deadline is not an error.
 * @param ms the time limit in milliseconds
 * @returns true if the work finished before the deadline
 * @throws the error of the work, if it fails before the deadline
 */
export function isDoneWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  work.then(() => resolve(true), reject).finally(() => clearTimeout(timer));
  return promise;
}

/**
 * Waits for work until a signal is aborted. The work may ignore the signal: its later result is ignored.
 * @param aborted creates the error for an aborted signal; by default the signal's own reason
 * @returns the result of the work
 * @throws the error of the work, or the error that `aborted` creates
 */
export function untilAborted<T>(
  signal: AbortSignal,
  work: Promise<T>,
  aborted: () => unknown = () => signal.reason,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = () => reject(aborted());
  signal.addEventListener("abort", onAbort, { once: true });
  // a signal that is already aborted emits no event
  if (signal.aborted) onAbort();
  work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  return promise;
}

/**
 * Runs work with a signal that is aborted at a deadline, or when another signal is aborted.
 * @param ms the time limit in milliseconds
 * @param over ends the work early
 * @param late creates the error for a missed deadline
 * @param act the work; receives the signal
 * @returns the result of the work
 * @throws the error of the work, the error that `late` creates, or the reason of `over`
 * @example await withDeadline(500, call.signal, () => new Unreachable("no answer"), (signal) => dialer.dial(signal));
 */
export async function withDeadline<T>(
  ms: number,
  over: AbortSignal,
  late: () => Error,
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const clock = new AbortController();
  const end = () => clock.abort(over.reason);
  const timer = setTimeout(() => clock.abort(late()), ms);
  over.addEventListener("abort", end, { once: true });
  if (over.aborted) end();
  try {
    return await untilAborted(clock.signal, act(clock.signal));
  } finally {
    clearTimeout(timer);
    over.removeEventListener("abort", end);
  }
}
