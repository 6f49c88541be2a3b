/** The documents are true where a machine can tell: the README's safe commands run, and every link and path leads somewhere. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { parseConfig } from "../../host/config/parse.ts";

const root = join(import.meta.dirname, "..", "..");
const DOCUMENTS = globSync(["*.md", ".github/**/*.md", "docs/**/*.md"], { cwd: root }).sort();
/** These end by themselves and change nothing outside .kleidi/; what else the README shows is not run here. */
const SAFE = / --once\b| --help\b|\bkleidi (check|diff|inspect|key list)\b/;
const TIMEOUT_MS = 120_000;

describe("the README's commands", () => {
  const commands = commandsOf(textOf("README.md"));

  test("there are some, the quickstart first", () => {
    assert.ok(commands.length >= 4, `${commands.length} commands`);
    // the ones behind it use what it makes
    assert.match(commands[0] ?? "", /quickstart/);
  });

  for (const command of commands) {
    test(command, { timeout: TIMEOUT_MS }, () => {
      const { status, stdout, stderr } = spawnSync("sh", ["-c", command], { cwd: root, encoding: "utf8" });
      assert.equal(status, 0, `${stdout}${stderr}`);
    });
  }
});

test("the configuration of docs/running.md is one", () => {
  const [, example] = /^```yaml\n(apiVersion: kleidi.*?)^```$/ms.exec(textOf("docs/running.md")) ?? [];
  const { keys, listen } = parseConfig(example ?? "", "/etc/kleidi/kleidi.yaml");
  assert.equal(keys.length, 1);
  assert.equal(listen.mode, 0o660);
});

describe("every link leads to a file", () => {
  for (const document of DOCUMENTS) {
    test(document, () => {
      const missing = linksOf(textOf(document)).filter(
        (link) => !existsSync(join(root, dirname(document), link)),
      );
      assert.deepEqual(missing, []);
    });
  }
});

describe("every path of this project that a document names is there", () => {
  for (const document of DOCUMENTS) {
    test(document, () => {
      const missing = pathsOf(textOf(document)).filter((path) => globSync(path, { cwd: root }).length === 0);
      assert.deepEqual(missing, []);
    });
  }
});

describe("every script of npm that a document names is in package.json", () => {
  const { scripts }: { scripts: Record<string, string> } = JSON.parse(textOf("package.json"));
  for (const document of DOCUMENTS) {
    test(document, () => {
      const named = [...textOf(document).matchAll(/\bnpm run (?:--silent )?([a-z]+)/g)].map(
        ([, name]) => name ?? "",
      );
      assert.deepEqual(
        named.filter((name) => !Object.hasOwn(scripts, name)),
        [],
      );
    });
  }
});

function textOf(document: string): string {
  return readFileSync(join(root, document), "utf8");
}

/** The lines of ```sh blocks that are safe to run. */
function commandsOf(text: string): string[] {
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)]
    .flatMap(([, block]) => (block ?? "").split("\n"))
    .filter((line) => SAFE.test(line));
}

/** Links inside the project, without their anchors. */
function linksOf(text: string): string[] {
  return [...text.matchAll(/\]\(([^)#\s]+)(#[^)]*)?\)/g)]
    .map(([, link]) => link ?? "")
    .filter((link) => !/^[a-z]+:/.test(link));
}

/** What stands in backticks and begins with a folder of the checkout. Built modules come and go. */
function pathsOf(text: string): string[] {
  return [...text.matchAll(/`((?:host|test|docs|sdk|proto|examples|bench|deploy)\/[\w./*-]*)`/g)]
    .map(([, path]) => path ?? "")
    .filter((path) => !path.endsWith(".wasm"));
}
