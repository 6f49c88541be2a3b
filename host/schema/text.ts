/** Makes text of the file printable: bounded, on one line, without characters that a terminal acts on. */
import { cut as cutAt, quote } from "../lib/text.ts";

/** In UTF-16 units. A longer value may be a secret that was pasted into the wrong place. */
export const LONGEST = 60;

/** Cuts a text to 60 characters; "…" marks the cut. */
export function cut(text: string): string {
  return cutAt(text, LONGEST);
}

/** Cuts a text, puts it in double quotes and escapes control and bidirectional characters. */
export function quoted(text: string): string {
  return quote(cut(text));
}

/** Writes a path as `keys[0].name`. A name that is not plain is quoted: `providers["A b"].module`. */
export function pathText(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[A-Za-z0-9_-]{1,60}$/.test(step)) text += `[${quoted(step)}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

/** Steps from the root of a document: a string for a key of a mapping, a 0-based number for an item of a list. */
export type Path = readonly (string | number)[];

/**
 * Finds the known word that a misspelt one probably means.
 * @returns undefined if more than a third of the letters differ from every known word, or more than 3
 * @example nearest("sokcet", ["socket", "mode"]) === "socket"
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  // 64: known words are shorter, and the distance costs the product of both lengths
  let least = word.length > 64 ? -1 : Math.min(3, Math.max(1, Math.floor(word.length / 3)));
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance > least || (distance === least && best !== undefined)) continue;
    best = candidate;
    least = distance;
  }
  return best;
}

/** Levenshtein distance in UTF-16 units; a swap of neighbours counts as one edit (optimal string alignment). */
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

/** Lists at most five names for people, without duplicates, and counts the rest. */
export function list(all: readonly string[]): string {
  const names = [...new Set(all)];
  const shown = names.slice(0, 5).map((name) => quoted(name).slice(1, -1));
  return names.length > shown.length
    ? `${shown.join(", ")} and ${names.length - shown.length} more`
    : shown.join(", ");
}
