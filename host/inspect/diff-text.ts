/** Formats a diff for a terminal. */
import { escapeName, escapeProse } from "../lib/text.ts";
import type { Change, ComparedModule, Diff, Direction } from "./diff.ts";

const VERDICTS = {
  same: "same: the new module has the authority of the old one",
  widened: "widened: the new module has authority that the old one does not have",
  narrowed: "narrowed: the new module has less authority than the old one",
  both: "both: the new module gains some authority and loses some",
} as const;

const SIGNS = { wider: "+", narrower: "-", neither: "~" } as const;
const WORDS = {
  wider: "Wider",
  narrower: "Narrower",
  neither: "Changed, without effect on authority",
} as const;

/** @param paint colours a text by its direction */
export function diffTextOf(
  { verdict, old, new: now, changes }: Diff,
  paint: (direction: Direction, text: string) => string,
): string {
  const kind = verdict === "same" ? "neither" : verdict === "narrowed" ? "narrower" : "wider";
  return [
    paint(kind, VERDICTS[verdict]),
    `  old  ${comparedModuleOf(old)}`,
    `  new  ${comparedModuleOf(now)}`,
    ...(["wider", "narrower", "neither"] as const).flatMap((direction) => {
      const some = changes.filter((change) => change.direction === direction);
      return some.length === 0
        ? []
        : ["", WORDS[direction], ...some.map((change) => paint(direction, lineOf(change)))];
    }),
    "",
  ].join("\n");
}

function comparedModuleOf({ path, name, version, sha256, refused }: ComparedModule): string {
  const note = refused ? "; the host would refuse it: see kleidi inspect" : "";
  return `${escapeProse(path)}: ${name} ${version}, sha256 ${sha256}${note}`;
}

function lineOf({ direction, change, of, before, after }: Change): string {
  const quote = (text: string) => (change === "why" ? `"${escapeProse(text)}"` : escapeName(text));
  return `  ${SIGNS[direction]} ${change} ${escapeName(of)}: ${quote(before)} → ${quote(after)}`;
}
