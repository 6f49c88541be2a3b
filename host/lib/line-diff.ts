/** The difference of two texts by lines, in the unified format. */

const CONTEXT = 2;

interface Entry {
  readonly mark: " " | "-" | "+";
  readonly line: string;
}

/**
 * Compares two texts.
 * @returns the lines of all hunks, each with its header; none if the texts are equal
 * @example lineDiff("a\nb\n", "a\nc\n") // ["@@ -1,2 +1,2 @@", " a", "-b", "+c"]
 */
export function lineDiff(before: string, after: string): string[] {
  const entries = entriesOf(linesOf(before), linesOf(after));
  const near = entries.map((_, at) =>
    entries.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(({ mark }) => mark !== " "),
  );
  const hunks: string[] = [];
  let [oldLine, newLine] = [1, 1];
  for (let at = 0; at < entries.length; ) {
    let end = at;
    while (near[end] === true) end++;
    const hunk = entries.slice(at, Math.max(end, at + 1));
    const olds = hunk.filter(({ mark }) => mark !== "+").length;
    const news = hunk.filter(({ mark }) => mark !== "-").length;
    if (end > at)
      hunks.push(
        `@@ -${oldLine},${olds} +${newLine},${news} @@`,
        ...hunk.map(({ mark, line }) => mark + line),
      );
    oldLine += olds;
    newLine += news;
    at += hunk.length;
  }
  return hunks;
}

function linesOf(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** The equal lines at both ends are taken off; between them, the longest common subsequence stays. */
function entriesOf(before: readonly string[], after: readonly string[]): Entry[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let tail = 0;
  const most = Math.min(before.length, after.length) - start;
  while (tail < most && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const same = (lines: readonly string[]) => lines.map((line): Entry => ({ mark: " ", line }));
  return [
    ...same(before.slice(0, start)),
    ...changes(before.slice(start, before.length - tail), after.slice(start, after.length - tail)),
    ...same(before.slice(before.length - tail)),
  ];
}

function changes(before: readonly string[], after: readonly string[]): Entry[] {
  const common = lengths(before, after);
  const entries: Entry[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      entries.push({ mark: " ", line: before[i] ?? "" });
      i++;
      j++;
    } else if (j >= after.length || (i < before.length && at(common, i + 1, j) >= at(common, i, j + 1)))
      entries.push({ mark: "-", line: before[i++] ?? "" });
    else entries.push({ mark: "+", line: after[j++] ?? "" });
  }
  return entries;
}

const at = (table: readonly Uint32Array[], i: number, j: number) => table[i]?.[j] ?? 0;

/** The length of the longest common subsequence of the rests from i and j. */
function lengths(before: readonly string[], after: readonly string[]): Uint32Array[] {
  const table = Array.from({ length: before.length + 1 }, () => new Uint32Array(after.length + 1));
  for (let i = before.length - 1; i >= 0; i--) {
    const row = table[i] ?? new Uint32Array();
    for (let j = after.length - 1; j >= 0; j--)
      row[j] =
        before[i] === after[j] ? at(table, i + 1, j + 1) + 1 : Math.max(at(table, i + 1, j), row[j + 1] ?? 0);
  }
  return table;
}
