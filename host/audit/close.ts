/** Closes the sinks of a log within a time limit: a hanging disk must not block the shutdown of the host. */
import { isDoneWithin } from "../lib/deadline.ts";
import type { Feed } from "./feed.ts";

/**
 * Writes and syncs all lines and closes each sink independently. A sink that misses the time limit is closed without waiting for it.
 * @param ms the time limit in milliseconds
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
  // a disk that fails now shows as missing lines
  if (feed.failure === undefined) await feed.output.sync().catch(() => {});
  await feed.close();
}
