/** The man pages of the commands, made from the table of commands. */
import type { Command } from "./command.ts";
import type { Program } from "./execute.ts";

/** A page of section 1. */
export interface ManPage {
  /** Such as "kleidi-key-init.1". */
  readonly file: string;
  /** In the man macros of roff(7). */
  readonly text: string;
}

const EXIT = "0 success, 1 problems found, 2 usage error.";

/**
 * @param day of the release, as YYYY-MM-DD
 * @example
 * manPages(PROGRAM, "2026-11-27")[0]; // { file: "kleidi.1", text: ".TH KLEIDI 1 …" }
 */
export function manPages({ version, commands }: Program, day: string): ManPage[] {
  const [release = ""] = version.split("\n");
  const head = (name: string) => `.TH ${name.toUpperCase()} 1 ${day} "kleidi ${escaped(release)}" "kleidi"\n`;
  return [overview(head, commands), ...commands.map((command) => page(head, command))];
}

type Head = (name: string) => string;

function overview(head: Head, commands: readonly Command[]): ManPage {
  const rows = commands.map(({ name, summary }) => `.TP\n.BR ${pageName(name)} (1)\n${escaped(summary)}`);
  const sections = [
    section(
      "NAME",
      "kleidi \\- a KMS v2 plugin for Kubernetes whose providers are sandboxed WebAssembly guests",
    ),
    section("SYNOPSIS", ".B kleidi\n.I command\n[\\fIoption\\fR ...]"),
    section("COMMANDS", rows.join("\n")),
    section("EXIT STATUS", EXIT),
  ];
  return { file: "kleidi.1", text: head("kleidi") + sections.join("") };
}

function page(head: Head, command: Command): ManPage {
  const name = pageName(command.name);
  const options = command.options.map(
    ({ flags, about }) => `.TP\n\\fB${escaped(flags)}\\fR\n${escaped(about)}`,
  );
  const examples = command.examples.map(
    ({ does, line }) => `${escaped(does)}:\n.PP\n.RS 4\n.EX\n${escaped(line)}\n.EE\n.RE\n.PP`,
  );
  const words = command.arguments === undefined ? "" : ` ${escaped(command.arguments)}`;
  const sections = [
    section("NAME", `${escaped(name)} \\- ${escaped(command.summary)}`),
    section("SYNOPSIS", `\\fBkleidi ${escaped(command.name)}\\fR${words} [\\fIoption\\fR ...]`),
    ...(options.length === 0 ? [] : [section("OPTIONS", options.join("\n"))]),
    section("EXAMPLES", examples.join("\n").replace(/\n\.PP$/, "")),
    section("EXIT STATUS", EXIT),
    section("SEE ALSO", ".BR kleidi (1)"),
  ];
  return { file: `${name}.1`, text: head(name) + sections.join("") };
}

function section(title: string, text: string): string {
  return `.SH ${title}\n${text}\n`;
}

function pageName(command: string): string {
  return `kleidi-${command.replaceAll(" ", "-")}`;
}

/** Text that roff prints as it is: a backslash or a hyphen is escaped, and so is a line that would be a request. */
function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/gm, "\\&");
}
