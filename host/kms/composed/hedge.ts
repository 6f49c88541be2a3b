/** Runs attempts of which one success is enough. */

export interface Attempt<T> {
  /** In milliseconds: without an answer for so long, the next attempt begins as well. */
  readonly patienceMs: number;
  /** @param stumble call it when the attempt failed and goes on: the next one begins. A rejection does the same */
  run(stumble: () => void): Promise<T>;
}

/**
 * Runs the first attempt, and the next one when one failed or has not answered in time.
 * @param attempts at least one, the most promising one first
 * @returns the first success; attempts that are running go on, and their results are dropped
 * @throws AggregateError with the error of each attempt, in their order, when all have failed
 */
export async function hedge<T>(attempts: readonly Attempt<T>[]): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const failures = new Map<number, unknown>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let started = 0;
  let isOver = false;
  const fail = (index: number, error: unknown) => {
    failures.set(index, error);
    if (failures.size === attempts.length)
      reject(new AggregateError(attempts.map((_, i) => failures.get(i))));
  };
  const startNext = () => {
    clearTimeout(timer);
    const index = started;
    const attempt = attempts[index];
    if (isOver || attempt === undefined) return;
    started += 1;
    let hasStumbled = false;
    const stumble = () => {
      if (hasStumbled) return;
      hasStumbled = true;
      startNext();
    };
    timer = setTimeout(startNext, attempt.patienceMs);
    attempt.run(stumble).then(resolve, (error) => {
      fail(index, error);
      stumble();
    });
  };
  startNext();
  try {
    return await promise;
  } finally {
    isOver = true;
    clearTimeout(timer);
  }
}
