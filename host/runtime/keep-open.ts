/** Something that is opened when it can be: tried again, with growing pauses, for as long as the host runs. */

export interface Openable {
  close(): void;
}

export interface Kept {
  close(): void;
}

export interface KeepOpenOptions {
  /** Of the first pause and of the longest, in milliseconds. */
  readonly pauses?: { readonly first: number; readonly longest: number };
  readonly onRefused: (error: unknown, nextTryMs: number) => void;
  readonly onOpened: (tries: number) => void;
}

const PAUSES = { first: 1_000, longest: 60_000 };

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
      const pause = Math.min(pauses.longest, pauses.first * 2 ** (tries - 1));
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
