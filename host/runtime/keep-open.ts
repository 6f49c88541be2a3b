/** Opens something that may be unavailable, such as an address: tries again, with growing pauses, for as long as the host runs. */
import { type BackOff, backOffMs } from "../lib/back-off.ts";

export interface Closable {
  close(): void;
}

export interface KeepOpenOptions {
  readonly pauses?: BackOff;
  /** Called after each failed try; the next one follows after this many milliseconds. */
  readonly onRefused: (error: unknown, nextTryMs: number) => void;
  /** @param tries how many it took, this one included */
  readonly onOpened: (tries: number) => void;
}

const PAUSES: BackOff = { firstMs: 1_000, longestMs: 60_000 };

/**
 * @returns after the first try, successful or not; its `close` ends the tries and closes what was opened
 */
export async function keepOpen(
  open: () => Promise<Closable>,
  { pauses = PAUSES, onRefused, onOpened }: KeepOpenOptions,
): Promise<Closable> {
  let opened: Closable | undefined;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let tries = 0;
  const attempt = async () => {
    tries += 1;
    try {
      const made = await open();
      // It was closed during this try.
      if (closed) return made.close();
      opened = made;
      onOpened(tries);
    } catch (error) {
      if (closed) return;
      const pause = backOffMs(pauses, tries);
      timer = setTimeout(attempt, pause);
      onRefused(error, pause);
    }
  };
  await attempt();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
      opened?.close();
    },
  };
}
