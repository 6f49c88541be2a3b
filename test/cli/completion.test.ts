/** The completion scripts in real shells, and the man pages in a formatter. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SHELLS } from "../../host/cli/completion.ts";
import { manPages } from "../../host/cli/manual.ts";
import { PROGRAM } from "../../host/main.ts";

/** mandoc prints bold as a character, a backspace and the character again. */
const OVERSTRUCK = new RegExp(`.${String.fromCharCode(8)}`, "g");
const folder = mkdtempSync(join(tmpdir(), "kleidi-completion-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function scriptOf(shell: string): string {
  const path = join(folder, `kleidi.${shell}`);
  writeFileSync(path, SHELLS[shell]?.(PROGRAM) ?? "");
  return path;
}

function run(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", cwd: folder });
  assert.equal(status, 0, stdout + stderr);
  return stdout;
}

/** The candidates of bash for the last word. */
function inBash(...typed: string[]): string[] {
  const words = typed.map((word) => `'${word}'`).join(" ");
  const lines = [
    `source '${scriptOf("bash")}'`,
    `COMP_WORDS=(kleidi ${words}) COMP_CWORD=${typed.length}`,
    "_kleidi",
    `printf "%s\\n" "\${COMPREPLY[@]}"`,
  ];
  return run("bash", "--norc", "-c", lines.join("\n"))
    .split("\n")
    .filter((line) => line !== "");
}

/** The candidates of fish, without their descriptions. */
function inFish(typed: string): string[] {
  const text = run("fish", "--no-config", "-c", `source '${scriptOf("fish")}'; complete -C '${typed}'`);
  return text.split("\n").flatMap((line) => (line === "" ? [] : [line.split("\t")[0] ?? ""]));
}

const words = (group: string) =>
  PROGRAM.commands.flatMap(({ name }) =>
    name.startsWith(`${group} `) ? [name.slice(group.length + 1)] : [],
  );

test("bash completes commands, subcommands and options, and otherwise file names", () => {
  assert.deepEqual(inBash("ch"), ["check"]);
  assert.deepEqual(inBash("key", ""), [...words("key"), "--help"]);
  assert.deepEqual(inBash("check", "--l"), ["--live"]);
  assert.deepEqual(inBash("audit", "verify", "--config", "x", "--js"), ["--json"]);
  assert.deepEqual(inBash("check", "--config", ""), []);
  assert.deepEqual(inBash("no-command", ""), []);
});

test("fish completes commands, subcommands and options", () => {
  assert.deepEqual(inFish("kleidi ch"), ["check"]);
  assert.deepEqual(inFish("kleidi key ").sort(), words("key").sort());
  assert.deepEqual(inFish("kleidi check --l"), ["--live"]);
});

test("zsh accepts its script", () => {
  run("zsh", "-n", scriptOf("zsh"));
});

for (const { file, text } of manPages(PROGRAM, "2026-11-27")) {
  test(`${file} passes mandoc, and has the command's options and examples`, () => {
    const path = join(folder, file);
    writeFileSync(path, text);
    run("mandoc", "-T", "lint", "-W", "warning,stop", path);
    const shown = run("mandoc", "-T", "utf8", "-O", "width=400", path).replaceAll(OVERSTRUCK, "");
    const command = PROGRAM.commands.find(({ name }) => file === `kleidi-${name.replaceAll(" ", "-")}.1`);
    for (const { flags } of command?.options ?? []) assert.ok(shown.includes(flags), flags);
    for (const { line } of command?.examples ?? []) assert.ok(shown.includes(line), line);
  });
}
