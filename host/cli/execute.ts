/** Runs a command line by a table of commands. */
import { CommanderError, Command as Node, type OutputConfiguration } from "commander";
import { addCommand, type Command, EXIT_CODES } from "./command.ts";
import { EXIT, fail } from "./output.ts";
import { UsageError } from "./usage-error.ts";

/** The program: its version and all commands. */
export interface Program {
  /** The text that `--version` prints; its first line is the version. */
  readonly version: string;
  /** First word of a group of commands → description of the group. */
  readonly groups: Readonly<Record<string, string>>;
  readonly commands: readonly Command[];
}

/**
 * Parses the arguments after "kleidi" and runs the command.
 * @param output receives help and usage errors; by default stdout and stderr
 * @returns the exit code of the command, or 2 for a usage error
 */
export async function execute(
  program: Program,
  argv: readonly string[],
  output: OutputConfiguration = {},
): Promise<number> {
  let code: number = EXIT.SUCCESS;
  const json = argv.includes("--json");
  // With --json the error is one JSON object on stdout.
  const errors = json ? { writeErr: () => {} } : {};
  const tree = treeOf(program, { ...output, ...errors }, async (command, options, words) => {
    code = await codeOf(command, options, words);
  });
  try {
    await tree.parseAsync(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.SUCCESS;
    return json ? fail(usageError(error), true) : EXIT.USAGE;
  }
  return code;
}

function usageError({ code, message }: CommanderError): UsageError {
  const isMissing = code === "commander.help";
  return new UsageError(
    isMissing ? "a command is missing; see kleidi --help" : message.replace(/^error: /, ""),
  );
}

type Run = (command: Command, options: object, words: unknown[]) => Promise<void>;

function treeOf({ version, groups, commands }: Program, output: OutputConfiguration, run: Run): Node {
  const root = new Node("kleidi")
    .description("A KMS v2 plugin for Kubernetes whose providers are sandboxed WebAssembly guests.")
    .version(version)
    .exitOverride()
    .configureOutput(output)
    .addHelpText("after", EXIT_CODES);
  const parents = new Map<string, Node>();
  for (const command of commands) {
    const [word = ""] = command.name.split(" ");
    const summary = groups[word];
    if (summary !== undefined && !parents.has(word))
      parents.set(word, root.command(word).description(summary).addHelpText("after", EXIT_CODES));
    addCommand(parents.get(word) ?? root, command, (options, words) => run(command, options, words));
  }
  return root;
}

async function codeOf(command: Command, options: object, words: unknown[]): Promise<number> {
  try {
    return await command.run(options, ...words);
  } catch (error) {
    return fail(error, "json" in options && options.json === true);
  }
}
