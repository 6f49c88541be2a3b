/** Work that is not waited for any longer when its time is over, or when a signal says so. The work itself runs on to its own end. */

/**
 * Waits for work, at most for a time.
 * @param ms milliseconds
 * @param late makes the error after that time
 * @returns what the work comes to. A failure of the work after that time is dropped.
 * @throws what `late` makes
 * @example await within(2_000, connection.exchange(command), () => new TransportError("no answer in 2000 ms"));
 */
export function within<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const timer = setTimeout(() => reject(late()), ms);
  work.then(resolve, reject).finally(() => clearTimeout(timer));
  return promise;
}

/**
 * Waits for work, at most for a time, where it is no error that the time is over.
 * @param ms milliseconds
 * @returns whether the work was done in that time
 * @throws what the work fails with in that time
 */
export function isDoneWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  work.then(() => resolve(true), reject).finally(() => clearTimeout(timer));
  return promise;
}

/**
 * Waits for work until a signal is aborted. The work need not heed the signal: what it comes to later is dropped.
 * @param aborted gives the reason to fail with then
 * @returns what the work comes to
 * @throws the signal's own reason, or what `aborted` gives
 */
export function untilAborted<T>(
  signal: AbortSignal,
  work: Promise<T>,
  aborted: () => unknown = () => signal.reason,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = () => reject(aborted());
  signal.addEventListener("abort", onAbort, { once: true });
  // no event tells of an abort that was before
  if (signal.aborted) onAbort();
  work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  return promise;
}

/**
 * Does work that is told by a signal when its time is over, or when another signal is aborted.
 * @param ms milliseconds
 * @param over ends the work early
 * @param late makes the error after that time
 * @param act is given the signal
 * @returns what the work comes to
 * @throws what `late` makes; the reason of `over`
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
