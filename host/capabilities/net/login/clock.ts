/** The clock and the random numbers of this folder, injected so that tests neither sleep nor depend on chance. */

export interface Clock {
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** Milliseconds of Date.now(); for events only. */
  date(): number;
  /** 0 to 1. */
  random(): number;
  /** Runs a function once after `ms`, without keeping the process alive. @returns cancels it */
  after(ms: number, run: () => void): () => void;
}

/** Node fires a longer timer at once. An early renewal, every 24 days, does no harm. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => Date.now(),
  random: () => Math.random(),
  after: (ms, run) => {
    const timer = setTimeout(run, Math.min(ms, LONGEST_TIMER_MS)).unref();
    return () => clearTimeout(timer);
  },
};
