import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { execute, type Program } from "./cli/execute.ts";
import { PROGRAM } from "./main.ts";

/** Runs a command line. @returns the output and the exit code */
async function run(argv: readonly string[], program: Program = PROGRAM) {
  let out = "";
  let err = "";
  const code = await execute(program, argv, {
    writeOut: (text) => {
      out += text;
    },
    writeErr: (text) => {
      err += text;
    },
    getOutHelpWidth: () => 80,
  });
  return { code, out, err };
}

const { commands, groups } = PROGRAM;

for (const command of commands) {
  const { name, examples, options } = command;
  const words = name.split(" ");

  describe(`kleidi ${name}`, () => {
    test("has help with its options, 1 to 3 worked examples and the exit codes", async () => {
      const { code, out, err } = await run([...words, "--help"]);
      assert.deepEqual([code, err], [0, ""]);
      assert.ok(examples.length >= 1 && examples.length <= 3, `${examples.length} examples`);
      const shown = examples.map(({ does, line }) => `  # ${does}\n  ${line}\n`).join("");
      assert.ok(
        out.includes(`\nExamples:\n${shown}\nExit codes: 0 success, 1 problems found, 2 usage error.\n`),
        out,
      );
      for (const { flags } of options) assert.ok(out.includes(`  ${flags} `), `${flags}\n${out}`);
    });

    test("refuses an unknown option with exit code 2", async () => {
      const { code, out, err } = await run([...words, "--no-such-option"]);
      assert.deepEqual([code, out], [2, ""]);
      assert.match(err, /^error: unknown option '--no-such-option'$/m);
    });

    for (const { line } of examples) {
      test(`accepts its example: ${line}`, async () => {
        const called: string[] = [];
        const listening = commands.map((each) => ({
          ...each,
          run: () => {
            called.push(each.name);
            return 0;
          },
        }));
        const [kleidi, ...argv] = line.replace(/ [|>].*$/, "").split(" ");
        const { code, err } = await run(argv, { ...PROGRAM, commands: listening });
        assert.deepEqual([kleidi, code, err], ["kleidi", 0, ""]);
        assert.deepEqual(called, [name]);
      });
    }
  });
}

test("every command but serve and hold has --json", () => {
  const without = commands.filter(({ options }) => !options.some(({ flags }) => flags === "--json"));
  assert.deepEqual(
    without.map(({ name }) => name),
    ["serve", "hold"],
  );
});

test("no two commands have the same name, and every group has commands", () => {
  const names = commands.map(({ name }) => name);
  assert.deepEqual(names, [...new Set(names)]);
  const used = names.filter((name) => name.includes(" ")).map((name) => name.split(" ")[0]);
  assert.deepEqual(Object.keys(groups).toSorted(), [...new Set(used)].toSorted());
});

test("a command receives its options by name and its arguments", async () => {
  const given: unknown[] = [];
  const commands = PROGRAM.commands.map((command) => ({
    ...command,
    run: (...args: unknown[]) => {
      given.push(...args);
      return 1;
    },
  }));
  const argv = ["audit", "verify", "--key", "a", "--key", "b", "--json", "one", "two"];
  assert.equal((await run(argv, { ...PROGRAM, commands })).code, 1);
  const options = { key: ["a", "b"], checkpoints: [], note: [], noteKey: [], json: true };
  assert.deepEqual(given, [options, ["one", "two"]]);
});

for (const text of ["0", "60001", "1.5", "soon"])
  test(`a number out of range is a usage error: ${text}`, async () => {
    const { code, err } = await run(["healthcheck", "--timeout", text]);
    assert.equal(code, 2);
    assert.match(err, /argument '.*' is invalid\. Expected a whole number from 1 to 60000\.$/m);
  });

test("a missing command and an unknown command are usage errors", async () => {
  assert.equal((await run([])).code, 2);
  const { code, err } = await run(["chek"]);
  assert.equal(code, 2);
  assert.match(err, /unknown command 'chek'/);
});
