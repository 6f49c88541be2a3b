/** kleidi completion: a script that completes commands and options in a shell, made from the table of commands. */
import type { Command } from "./command.ts";
import type { Program } from "./execute.ts";
import { EXIT, print } from "./output.ts";
import { UsageError } from "./usage-error.ts";

type Outline = Pick<Program, "groups" | "commands">;

/**
 * The script of each shell.
 * @example
 * SHELLS.bash(PROGRAM); // for /usr/share/bash-completion/completions/kleidi
 */
export const SHELLS: Readonly<Record<string, (program: Outline) => string>> = { bash, zsh, fish };

/** @throws UsageError, the shell is not one of SHELLS */
export function completionCommand(program: Outline, shell: string, { json }: { json: boolean }): number {
  const script = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined;
  if (script === undefined) {
    const known = Object.keys(SHELLS).join(", ");
    throw new UsageError(`Cannot print a completion script for "${shell}": the shells are ${known}`);
  }
  const text = script(program);
  print(json ? JSON.stringify({ shell, script: text }, null, 2) : text.trimEnd());
  return EXIT.SUCCESS;
}

/** The long names of a command's options, --help included. */
function optionsOf({ options }: Command): string[] {
  return [...options.map(({ flags }) => longNameOf(flags)), "--help"];
}

/** @param flags such as "-c, --config <file>" */
function longNameOf(flags: string): string {
  return /--[a-z-]+/.exec(flags)?.[0] ?? flags;
}

/** The first words, and the second words of each group. */
function wordsOf({ groups, commands }: Outline): {
  first: string[];
  second: [group: string, words: string[]][];
} {
  const first = [...new Set(commands.map(({ name }) => name.split(" ")[0] ?? name))];
  const second = Object.keys(groups).map((group): [string, string[]] => [
    group,
    commands.flatMap(({ name }) => (name.startsWith(`${group} `) ? [name.slice(group.length + 1)] : [])),
  ]);
  return { first, second };
}

function bash(program: Outline): string {
  const { first, second } = wordsOf(program);
  return `# Completes kleidi in bash.
_kleidi() {
  local cur=\${COMP_WORDS[COMP_CWORD]} path="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] && break
    path="$path$word "
  done
  case "$path" in
    "") words="${[...first, "--help", "--version"].join(" ")}" ;;
${second.map(([group, words]) => `    "${group} ") words="${words.join(" ")} --help" ;;`).join("\n")}
${program.commands.map((command) => `    "${command.name} "*) [[ $cur == -* ]] && words="${optionsOf(command).join(" ")}" ;;`).join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
# Without a word of ours, bash completes the names of files.
complete -o default -F _kleidi kleidi
`;
}

function zsh(program: Outline): string {
  const { first, second } = wordsOf(program);
  return `#compdef kleidi
# Completes kleidi in zsh.
local typed="" word
for word in "\${(@)words[2,CURRENT-1]}"; do
  [[ $word == -* ]] && break
  typed="$typed$word "
done
case "$typed" in
  "") compadd -- ${[...first, "--help", "--version"].join(" ")} ;;
${second.map(([group, words]) => `  "${group} ") compadd -- ${words.join(" ")} --help ;;`).join("\n")}
${program.commands.map((command) => `  "${command.name} "*) if [[ $PREFIX == -* ]]; then compadd -- ${optionsOf(command).join(" ")}; else _files; fi ;;`).join("\n")}
esac
`;
}

function fish({ groups, commands }: Outline): string {
  const seen = (words: readonly string[]) =>
    words.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ");
  const lines = commands.flatMap((command) => {
    const words = command.name.split(" ");
    const [group = "", word] = words;
    const row = `-a ${words.at(-1)} -d ${quoted(command.summary)}`;
    const start = word === undefined ? "__fish_use_subcommand" : inGroup(group, commands);
    return [
      `complete -c kleidi -n '${start}' ${row}`,
      ...command.options.map(
        ({ flags, about }) =>
          `complete -c kleidi -n '${seen(words)}' -l ${longNameOf(flags).slice(2)}${flags.includes("<") ? " -r" : ""} -d ${quoted(about)}`,
      ),
    ];
  });
  const heads = Object.entries(groups).map(
    ([group, summary]) => `complete -c kleidi -n __fish_use_subcommand -a ${group} -d ${quoted(summary)}`,
  );
  // File names are not candidates where a command is expected.
  const starts = ["__fish_use_subcommand", ...Object.keys(groups).map((group) => inGroup(group, commands))];
  const noFiles = starts.map((start) => `complete -c kleidi -n '${start}' -f`);
  return `# Completes kleidi in fish.\n${[...noFiles, ...heads, ...lines].join("\n")}\n`;
}

/** The condition that the group is typed and none of its commands is yet. */
function inGroup(group: string, commands: readonly Command[]): string {
  const words = commands.flatMap(({ name }) => (name.startsWith(`${group} `) ? [name.split(" ")[1]] : []));
  return `__fish_seen_subcommand_from ${group}; and not __fish_seen_subcommand_from ${words.join(" ")}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
