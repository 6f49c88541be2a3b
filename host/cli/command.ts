/** A command as a row of the table in host/main.ts. Help, parsing and exit codes come from the row; the work is loaded when it is called. */
import { InvalidArgumentError, type Command as Node } from "commander";

/** What stands between "kleidi" and the exit code. */
export interface Command {
  /** Its words: "check", "audit verify". */
  readonly name: string;
  /** As in "<old> <new>", "[name]", "<file...>": required, optional, one or more. Absent: none. */
  readonly arguments?: string;
  /** One sentence of help. */
  readonly summary: string;
  readonly options: readonly Option[];
  /** 1 to 3, for --help. */
  readonly examples: readonly Example[];
  /**
   * Imports the implementation and calls it.
   * @param options by their long names in camel case
   * @param words the arguments; one that takes several is a list
   * @returns the exit code, one of EXIT
   */
  run(options: object, ...words: unknown[]): number | Promise<number>;
}

export interface Option {
  /** "-n, --lines <count>": a short name if it has one, the long name, and its value's name if it takes one. */
  readonly flags: string;
  readonly about: string;
  readonly default?: string | number | boolean;
  /** The bounds of a whole number. */
  readonly whole?: readonly [least: number, most: number];
  /** It may be repeated: its value is a list, by default an empty one. */
  readonly repeated?: true;
}

export interface Example {
  /** What the line is for, without a full stop. */
  readonly does: string;
  readonly line: string;
}

export const EXIT_CODES = "\nExit codes: 0 success, 1 problems found, 2 usage error.";

/** Adds a command to the commander tree. @param run gets the options and the arguments */
export function addCommand(
  parent: Node,
  command: Command,
  run: (options: object, words: unknown[]) => Promise<void>,
): void {
  const { name, arguments: words = "", summary, options, examples } = command;
  const added = parent.command(`${name.split(" ").at(-1)} ${words}`.trimEnd()).description(summary);
  for (const option of options) addOption(added, option);
  const lines = examples.map(({ does, line }) => `  # ${does}\n  ${line}`);
  added.addHelpText("after", `\nExamples:\n${lines.join("\n")}\n${EXIT_CODES}`);
  added.action((...args: unknown[]) => run(args.at(-2) as object, args.slice(0, -2)));
}

function addOption(to: Node, { flags, about, whole, repeated, default: byDefault }: Option): void {
  if (repeated)
    to.option(flags, `${about}; may be repeated`, (text, before: string[]) => [...before, text], []);
  else if (whole !== undefined) to.option(flags, about, (text) => wholeNumber(text, whole), byDefault);
  else to.option(flags, about, byDefault as string | boolean);
}

function wholeNumber(text: string, [least, most]: readonly [number, number]): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`It should be a whole number from ${least} to ${most}.`);
}
