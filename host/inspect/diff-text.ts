/** A diff for a terminal. */

import { escapeName, escapeProse } from "../lib/text.ts";
import type { Change, Diff, Direction, Side } from "./diff.ts";

const VERDICTS = {
  same: "same: the new module has the authority of the old one",
  widened: "widened: the new module has authority that the old one had not",
  narrowed: "narrowed: the new module has less authority than the old one",
  both: "both: the new module has authority that the old one had not, and lacks some that it had",
} as const;

const SIGNS = { wider: "+", narrower: "-", neither: "~" } as const;
const WORDS = { wider: "Wider", narrower: "Narrower", neither: "Changed, no authority in it" } as const;

export function diffTextOf(
  { verdict, old, new: now, changes }: Diff,
  paint: (direction: Direction, text: string) => string,
): string {
  const kind = verdict === "same" ? "neither" : verdict === "narrowed" ? "narrower" : "wider";
  return [
    paint(kind, VERDICTS[verdict]),
    `  old  ${sideOf(old)}`,
    `  new  ${sideOf(now)}`,
    ...(["wider", "narrower", "neither"] as const).flatMap((direction) => {
      const some = changes.filter((change) => change.direction === direction);
      return some.length === 0
        ? []
        : ["", WORDS[direction], ...some.map((change) => paint(direction, lineOf(change)))];
    }),
    "",
  ].join("\n");
}

function sideOf({ path, name, version, sha256, refused }: Side): string {
  const not = refused ? "; the host would not run it: kleidi inspect says why" : "";
  return `${escapeProse(path)}: ${name} ${version}, sha256 ${sha256}${not}`;
}

function lineOf({ direction, change, of, before, after }: Change): string {
  const quote = (text: string) => (change === "why" ? `"${escapeProse(text)}"` : escapeName(text));
  return `  ${SIGNS[direction]} ${change} ${escapeName(of)}: ${quote(before)} → ${quote(after)}`;
}
