/** Text of the file made fit to be printed: bounded, on one line, nothing that a terminal would act on. */
import { cut as cutAt, quote } from "../lib/text.ts";

/** A longer value may be a secret that was pasted into the wrong place. */
export const LONGEST = 60;

/** At most 60 characters; what was cut off is shown as "…". */
export function cut(text: string): string {
  return cutAt(text, LONGEST);
}

/** In double quotes, cut, with control and bidirectional characters escaped. */
export function quoted(text: string): string {
  return quote(cut(text));
}

/** `keys[0].name`; a name that is not plain is quoted: `providers["A b"].module`. */
export function pathText(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[A-Za-z0-9_-]{1,60}$/.test(step)) text += `[${quoted(step)}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

/** Steps from the document's root: a string into a mapping, a number into a list. */
export type Path = readonly (string | number)[];

/** The one of `known` that `word` was likely meant to be: at most a third of its letters differ, and at most 3. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  // 64: no known word is near that length, and the distance costs the product of both lengths
  let least = word.length > 64 ? -1 : Math.min(3, Math.max(1, Math.floor(word.length / 3)));
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance > least || (distance === least && best !== undefined)) continue;
    best = candidate;
    least = distance;
  }
  return best;
}

/** Levenshtein distance with swapped neighbours as one edit, in UTF-16 units. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j - 1] ?? 0) + (same ? 0 : 1), (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}

/** At most five of them, each once, as they are shown to people. */
export function list(all: readonly string[]): string {
  const names = [...new Set(all)];
  const shown = names.slice(0, 5).map((name) => quoted(name).slice(1, -1));
  return names.length > shown.length
    ? `${shown.join(", ")} and ${names.length - shown.length} more`
    : shown.join(", ");
}
