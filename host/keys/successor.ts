/** Proposes the name of a key's successor. */
const DATED = /^(.*?)-?(20\d{2})(?:-(\d{1,4}))?$/;
const COUNTED = /^(.*)-(\d{1,4})$/;

/**
 * @param taken true for a name that is in the configuration or in the history
 * @param year the current one
 * @example successorOf("kek-2026", () => false, 2027) // "kek-2027"
 * @example successorOf("kek-2026", () => false, 2026) // "kek-2026-2"
 * @example successorOf("main", () => false, 2026) // "main-2"
 */
export function successorOf(name: string, taken: (name: string) => boolean, year: number): string {
  const [, before = "", dated] = DATED.exec(name) ?? [];
  const next = before === "" ? String(year) : `${before}-${year}`;
  if (dated !== undefined && Number(dated) < year && !taken(next)) return next;
  const stem =
    dated === undefined ? (COUNTED.exec(name)?.[1] ?? name) : `${name.slice(0, name.indexOf(dated))}${dated}`;
  for (let count = 2; ; count++) if (!taken(`${stem}-${count}`)) return `${stem}-${count}`;
}
