/** The documents are correct where a machine can check: the README's safe commands run, and every link and path exists. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { parseConfig } from "../../host/config/parse.ts";

const root = join(import.meta.dirname, "..", "..");
const DOCUMENTS = globSync(["*.md", ".github/**/*.md", "{docs,examples,providers,sdk}/**/*.md"], {
  cwd: root,
}).sort();
/** These exit by themselves and change nothing outside .kleidi/; other commands of the README are not run here. */
const SAFE = / --once\b| --help\b|\bkleidi (check|diff|inspect|key list)\b/;
const TIMEOUT_MS = 120_000;

describe("the README's commands", () => {
  const commands = commandsOf(textOf("README.md"));

  test("include the quickstart, first", () => {
    assert.ok(commands.length >= 4, `${commands.length} commands`);
    // later commands use its output
    assert.match(commands[0] ?? "", /quickstart/);
  });

  for (const command of commands) {
    test(command, { timeout: TIMEOUT_MS }, () => {
      const { status, stdout, stderr } = spawnSync("sh", ["-c", command], { cwd: root, encoding: "utf8" });
      assert.equal(status, 0, `${stdout}${stderr}`);
    });
  }
});

test("the configuration of docs/operate/configure.md is valid", () => {
  const [, example] =
    /^```yaml\n(apiVersion: kleidi.*?)^```$/ms.exec(textOf("docs/operate/configure.md")) ?? [];
  const { keys, listen } = parseConfig(example ?? "", "/etc/kleidi/kleidi.yaml");
  assert.equal(keys.length, 1);
  assert.equal(listen.mode, 0o660);
});

test("the credentials of docs/operate/credentials.md are valid", () => {
  const shown = [...textOf("docs/operate/credentials.md").matchAll(/^```yaml\n(credential:.*?)^```$/gms)];
  assert.equal(shown.length, 2);
  const example = textOf("examples/vault/kleidi.yaml");
  for (const [, credential = ""] of shown) {
    const indented = credential.trimEnd().replaceAll(/^/gm, "        ");
    const text = example.replace(/^ {8}credential:.*?(?=^keys:)/ms, `${indented}\n`);
    assert.notEqual(text, example);
    parseConfig(text, "/etc/kleidi/kleidi.yaml");
  }
});

describe("every link has a file and a heading as its target", () => {
  for (const document of DOCUMENTS) {
    test(document, () => {
      const broken = linksOf(textOf(document)).filter(({ path, anchor }) => {
        const target = path === "" ? document : join(dirname(document), path);
        if (!existsSync(join(root, target))) return true;
        return anchor !== "" && !anchorsOf(textOf(target)).includes(anchor);
      });
      assert.deepEqual(broken, []);
    });
  }

  test("the README links to the front page of docs/, which links to every page beside it", () => {
    assert.ok(linksOf(textOf("README.md")).some(({ path }) => path === "docs/README.md"));
    assert.deepEqual(unlinked("docs"), []);
  });

  test("docs/operate/README.md links to every page beside it", () => {
    assert.deepEqual(unlinked("docs/operate"), []);
  });
});

describe("every path of this project in a document exists", () => {
  for (const document of DOCUMENTS) {
    test(document, () => {
      const missing = pathsOf(textOf(document)).filter((path) => globSync(path, { cwd: root }).length === 0);
      assert.deepEqual(missing, []);
    });
  }
});

describe("every npm script in a document is in package.json", () => {
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

/** The pages of a folder that its README.md does not link to. */
function unlinked(folder: string): string[] {
  const linked = linksOf(textOf(`${folder}/README.md`)).map(({ path }) => path);
  return globSync("*.md", { cwd: join(root, folder) }).filter(
    (page) => page !== "README.md" && !linked.includes(page),
  );
}

/** The lines of ```sh blocks that are safe to run. */
function commandsOf(text: string): string[] {
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)]
    .flatMap(([, block]) => (block ?? "").split("\n"))
    .filter((line) => SAFE.test(line));
}

/** Links inside the project: the path, "" for the same document, and the anchor, "" for none. */
function linksOf(text: string): { path: string; anchor: string }[] {
  return [...withoutCode(text).matchAll(/\]\(([^)#\s]*)(?:#([^)\s]*))?\)/g)]
    .map(([, path = "", anchor = ""]) => ({ path, anchor }))
    .filter(({ path }) => !/^[a-z]+:/.test(path));
}

/** The anchors that GitHub derives from a page's headings. */
function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>();
  return [...withoutCode(text).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = ""]) => {
    const words = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-");
    const count = seen.get(words) ?? 0;
    seen.set(words, count + 1);
    return count === 0 ? words : `${words}-${count}`;
  });
}

/** Comments in a block of code are not headings. */
function withoutCode(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, "");
}

/** Backticked text that begins with a folder of the checkout. Built modules are excluded. */
function pathsOf(text: string): string[] {
  return [...text.matchAll(/`((?:host|test|docs|sdk|proto|examples|bench|deploy)\/[\w./*-]*)`/g)]
    .map(([, path]) => path ?? "")
    .filter((path) => !path.endsWith(".wasm"));
}
