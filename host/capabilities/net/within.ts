/** Work that is given up when its time is over, or something else is. */

/** What `act` comes to within this time. Rejects with what `late` makes after it, with the reason of `over` when that is aborted. */
export async function within<T>(
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
    return await unlessAborted(clock.signal, act(clock.signal));
  } finally {
    clearTimeout(timer);
    over.removeEventListener("abort", end);
  }
}

/** Who works need not heed the signal: what comes late is lost. */
function unlessAborted<T>(signal: AbortSignal, working: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    working.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
