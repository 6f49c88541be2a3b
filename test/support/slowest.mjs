/** A reporter of `node --test` that lists the files that took longest, so that a slow one is seen when it arrives. */
const COUNT = 12;

/** @param {AsyncIterable<{ type: string, data: { file?: string, duration_ms?: number } }>} events */
export default async function* slowest(events) {
  const files = [];
  for await (const { type, data } of events)
    if (type === "test:summary" && data.file !== undefined)
      files.push({
        file: data.file.slice(process.cwd().length + 1),
        seconds: (data.duration_ms ?? 0) / 1000,
      });
  files.sort((one, other) => other.seconds - one.seconds);
  if (files.length <= COUNT) return;
  yield `The slowest of ${files.length} files:\n`;
  for (const { file, seconds } of files.slice(0, COUNT))
    yield `${seconds.toFixed(1).padStart(8)} s  ${file}\n`;
}
