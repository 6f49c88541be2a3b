/**
 * An author's first minutes, outside of the checkout: the package of npm is installed globally into an empty prefix, with the Node of the
 * PATH, and `kleidi provider new`, `build` and `test` lead to a proven provider in each language. The seconds are in the test's log.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { TEMPLATE_NAMES, type TemplateName } from "../../host/provider/scaffold.ts";
import { requireDebian } from "../../test/support/debian.ts";
import { builtDist } from "./built.ts";

requireDebian(["clang", "lld"]);

const folder = mkdtempSync(join(tmpdir(), "kleidi-author-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const prefix = join(folder, "prefix");
const work = join(folder, "work");
const NPM = [
  "install",
  "--ignore-scripts",
  "--prefer-offline",
  "--no-audit",
  "--no-fund",
  "--loglevel=error",
];
const env = { ...process.env, PATH: `${join(prefix, "bin")}:${process.env.PATH}` };

function run(cwd: string, program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, env, encoding: "utf8" });
  assert.equal(status, 0, `${program} ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

let sdk: string;

before(async () => {
  const dist = await builtDist();
  sdk = join(dist.folder, `${dist.name.replace(/^kleidi/, "provider-sdk")}.tgz`);
  for (const each of [prefix, work]) mkdirSync(each);
  run(folder, "npm", ...NPM, "--global", "--prefix", prefix, join(dist.folder, `${dist.name}.tgz`));
});

test("the command is on the PATH, and not that of the checkout", (t) => {
  const path = realpathSync(run(work, "which", "kleidi").trim());
  assert.ok(path.startsWith(join(realpathSync(prefix), "lib/node_modules/kleidi/")), path);
  t.diagnostic(`installed with node ${run(work, "node", "--version").trim()}`);
});

/** What else a new author installs. */
const PREPARE: Readonly<Record<TemplateName, (project: string) => void>> = {
  assemblyscript: (project) => void run(project, "npm", ...NPM),
  c() {},
  go() {},
};

for (const language of TEMPLATE_NAMES) {
  test(`from nothing to a proven provider in ${language}`, (t) => {
    const begun = performance.now();
    const project = join(work, language);
    run(work, "kleidi", "provider", "new", language, "--lang", language);
    PREPARE[language](project);
    const { module } = JSON.parse(run(project, "kleidi", "provider", "build", "--json"));
    const built = performance.now();
    const { ok, pass } = JSON.parse(run(project, "kleidi", "provider", "test", module, "--json"));
    const ended = performance.now();
    assert.equal(ok, true);
    assert.ok(pass > 50, `${pass} checks`);
    assert.ok(readdirSync(project).includes(`${language}.wasm`));
    const seconds = (ms: number) => (ms / 1000).toFixed(1);
    t.diagnostic(
      `new to proven: ${seconds(ended - begun)} s, of which the kit ${seconds(ended - built)} s with ${pass} checks`,
    );
  });
}

/** A test of an author: the module runs under the Node of the PATH, and a KMS that cannot be reached is failure 3. */
const OWN_TEST = `
import { readFileSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { StatusReplySchema, StatusRequestSchema } from "@kleidi/provider-sdk/proto";
import { StandIn } from "@kleidi/provider-sdk/stand-in";
import { cryptoCalls } from "@kleidi/provider-sdk/stand-in-crypto";

const module = new WebAssembly.Module(readFileSync("packaged.wasm"));
const guest = new StandIn(module, { ...cryptoCalls, "net.request": () => 5 });
const request = toBinary(StatusRequestSchema, create(StatusRequestSchema, { key: "kek" }));
const { output, calls } = guest.call("kleidi_status", request);
console.log(calls.length, fromBinary(StatusReplySchema, output).failure.code);
`;

test("the SDK is a package: installed in place of the copy, it builds the same provider, and its stand-in runs it", () => {
  run(work, "kleidi", "provider", "new", "packaged");
  const project = join(work, "packaged");
  rmSync(join(project, "assembly/kleidi"), { recursive: true });
  const entry = join(project, "assembly/index.ts");
  const source = readFileSync(entry, "utf8");
  writeFileSync(entry, source.replaceAll('"./kleidi"', '"@kleidi/provider-sdk/assembly"'));
  const page = readFileSync(join(import.meta.dirname, "../../sdk/README.md"), "utf8");
  const [, compiler] = /^npm install --save-dev \.\/provider-sdk-VERSION\.tgz (\S+)$/m.exec(page) ?? [];
  run(project, "npm", ...NPM, "--save-dev", sdk, compiler ?? assert.fail(page));
  const { module } = JSON.parse(run(project, "kleidi", "provider", "build", "--json"));
  assert.equal(JSON.parse(run(project, "kleidi", "provider", "test", module, "--json")).ok, true);
  writeFileSync(join(project, "own.mjs"), OWN_TEST);
  assert.equal(run(project, "node", "own.mjs"), "1 3\n");
});

test("the package of the SDK has the sources of each language, and no test", () => {
  const files = readdirSync(join(work, "packaged/node_modules/@kleidi/provider-sdk"), {
    recursive: true,
  }).map(String);
  for (const file of [
    ...["README.md", "LICENSE", "assembly/index.ts", "c/kleidi.h", "go/kleidi.go", "go/go.mod"],
    ...["proto/provider/v1/provider.proto", "proto/provider/v1/vectors.json"],
    ...["sdk/assemblyscript/stand-in.d.ts", "proto/provider/v1/conformance/host.json"],
  ])
    assert.ok(files.includes(file), `${file} is missing: ${files.join(" ")}`);
  assert.deepEqual(
    files.filter((file) => /test/.test(file)),
    [],
  );
});
