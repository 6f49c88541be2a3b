/** The end of a log's sinks, within a time: a disk that hangs must not hold the end of the host. */
import { isDoneWithin } from "../lib/deadline.ts";
import type { Feed } from "./feed.ts";

/**
 * Waits until all lines are written, down to the disk, and closes; each sink for itself. One that is not done in time is closed too,
 * and nobody waits for that.
 * @returns the labels of the sinks that were not done in time
 */
export async function closeWithin(feeds: readonly Feed[], ms: number): Promise<string[]> {
  const open = new Set(feeds);
  const closed = Promise.all(
    feeds.map(async (feed) => {
      await close(feed);
      open.delete(feed);
    }),
  );
  await isDoneWithin(ms, closed);
  for (const feed of open) void feed.close();
  return [...open].map(({ output }) => output.label);
}

async function close(feed: Feed): Promise<void> {
  await feed.settled();
  // that a disk fails now is told by the lines that are missing
  if (feed.failure === undefined) await feed.output.sync().catch(() => {});
  await feed.close();
}
