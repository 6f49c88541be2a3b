/** Time and chance, as this folder needs them: handed in, so that a test neither sleeps nor throws dice. */

export interface Clock {
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** Milliseconds of Date.now(); for events only. */
  date(): number;
  /** 0 to 1. */
  random(): number;
  /** Runs once, later, and keeps no process alive. Gives back what takes it back. */
  after(ms: number, run: () => void): () => void;
}

/** A longer timer would fire at once. To renew a token every 24 days does no harm. */
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
