/** A command is a row of the table in host/main.ts. The row has its help and its options; the implementation is imported when it runs. */
import { InvalidArgumentError, type Command as Node } from "commander";

/** A command: its words, options, help and implementation. */
export interface Command {
  /** The words of the command: "check", "audit verify". */
  readonly name: string;
  /** Arguments in commander's notation: "<old> <new>" required, "[name]" optional, "<file...>" one or more. Absent: none. */
  readonly arguments?: string;
  /** The description in the help, one or two sentences. */
  readonly summary: string;
  readonly options: readonly Option[];
  /** 1 to 3 worked examples for --help. */
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
  /** "-n, --lines <count>": an optional short name, the long name, and the name of the value if the option takes one. */
  readonly flags: string;
  readonly about: string;
  readonly default?: string | number | boolean;
  /** The bounds of a value that is a whole number, both included. */
  readonly integer?: readonly [least: number, most: number];
  /** The option may be repeated. Its value is a list, empty by default. */
  readonly repeated?: true;
}

export interface Example {
  /** The purpose of the line, without a full stop. */
  readonly does: string;
  readonly line: string;
}

export const EXIT_CODES = "\nExit codes: 0 success, 1 problems found, 2 usage error.";

/**
 * Adds a command to the commander tree.
 * @param parent the root, or the node of the command's group
 * @param run is called with the parsed options and arguments
 */
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

function addOption(to: Node, { flags, about, integer, repeated, default: byDefault }: Option): void {
  if (repeated)
    to.option(flags, `${about}; may be repeated`, (text, before: string[]) => [...before, text], []);
  else if (integer !== undefined) to.option(flags, about, (text) => parseInteger(text, integer), byDefault);
  else to.option(flags, about, byDefault as string | boolean);
}

function parseInteger(text: string, [least, most]: readonly [number, number]): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
}
