/** Something that is opened when it can be: tried again, with growing pauses, for as long as the host runs. */
import { type BackOff, backOffMs } from "../lib/back-off.ts";

export interface Openable {
  close(): void;
}

export interface Kept {
  close(): void;
}

export interface KeepOpenOptions {
  readonly pauses?: BackOff;
  readonly onRefused: (error: unknown, nextTryMs: number) => void;
  readonly onOpened: (tries: number) => void;
}

const PAUSES: BackOff = { firstMs: 1_000, longestMs: 60_000 };

/** Resolves after the first try, whatever came of it. */
export async function keepOpen(
  open: () => Promise<Openable>,
  { pauses = PAUSES, onRefused, onOpened }: KeepOpenOptions,
): Promise<Kept> {
  let opened: Openable | undefined;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let tries = 0;
  const attempt = async () => {
    tries += 1;
    try {
      const made = await open();
      // The host was stopped while it was opened.
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
