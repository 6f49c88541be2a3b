/** Declares the lines that a sink got late or does not have. An undeclared gap would look like lines that an attacker removed. */
import type { ChainWriter } from "./chain-writer.ts";
import type { Failure, Feed } from "./feed.ts";

/** Declares the lines that a recovered sink got late. */
export function declareLate(chain: ChainWriter, { output }: Feed, { error, since, from }: Failure): void {
  const to = Math.max(from, chain.at.seq);
  chain.put({ kind: "stalled", sink: output.name, error, since: iso(since), from, to });
}

/** Lets a sink accept lines again, and declares the ones that it missed. */
export function declareMissing(chain: ChainWriter, feed: Feed, { error, since }: Failure): void {
  const { seq, hash } = feed.last;
  // first: it may add lines, which this sink must miss too
  const time = chain.nextTime();
  const to = chain.at.seq;
  feed.rejoin();
  const missing = { error, since: iso(since), from: seq + 1, to, last: hash };
  chain.putAt(time, { kind: "gap", sink: feed.output.name, ...missing });
}

/** Declares the lines of a file that another process removed. @param since milliseconds since 1970 */
export function declareRemoved(chain: ChainWriter, since: number, from: number, to: number): void {
  chain.put({ kind: "gap", sink: "file", error: "the file was removed", since: iso(since), from, to });
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
