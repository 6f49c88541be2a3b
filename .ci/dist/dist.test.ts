/** The package installs with npm in an empty folder and works there as an ordinary user; the same commit results in the same bytes. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { requireDebian } from "../../test/support/debian.ts";
import { minisign } from "../../test/support/minisign.ts";
import { Checkout } from "../release/checkout.ts";
import { builtDist } from "./built.ts";

const root = join(import.meta.dirname, "..", "..");
requireDebian(["clang", "lld", "minisign"]);
const dist = await builtDist();
const folder = mkdtempSync(join(tmpdir(), "kleidi-dist-"));
after(() => rmSync(folder, { recursive: true, force: true }));
chmodSync(folder, 0o755);
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** An ordinary user: the user of this process, or "nobody" if that is root. */
const USER = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
const runAs = (program: string, args: readonly string[], cwd: string) =>
  spawnSync(program, args, { ...USER, cwd, encoding: "utf8", env: { PATH: process.env.PATH } });

/** The sources that kleidi provider new copies. */
const AUTHORS = /^(examples\/http-[a-z]+|sdk\/assemblyscript\/assembly)\//;

/** Creates a key and runs check --live with the local provider of an installed package. */
function tryLive(installed: string, name: string): void {
  const home = join(folder, name);
  mkdirSync(join(home, "keys"), { recursive: true, mode: 0o700 });
  const module = join(installed, "providers/local.wasm");
  const config = {
    apiVersion: "kleidi.dev/v1",
    listen: { socket: "kms.sock" },
    keystore: { directory: "keys" },
    providers: {
      local: {
        module,
        sha256: createHash("sha256").update(readFileSync(module)).digest("hex"),
        grants: { keystore: { keys: ["kek"] } },
      },
    },
    keys: [{ name: "kek", provider: "local", use: "active" }],
  };
  writeFileSync(join(home, "kleidi.yaml"), JSON.stringify(config));
  for (const each of ["", "keys", "kleidi.yaml"])
    chownSync(join(home, each), USER.uid ?? process.getuid?.() ?? 0, USER.gid ?? process.getgid?.() ?? 0);
  for (const command of ["key init kek", "check --live"]) {
    const args = [...command.split(" "), "--config", "kleidi.yaml", "--json"];
    const { status, stdout, stderr } = runAs(join(installed, "host/kleidi"), args, home);
    assert.equal(status, 0, `${command}: ${stdout}${stderr}`);
  }
}

describe("the package of npm, installed in an empty folder", () => {
  const home = join(folder, "npm");
  mkdirSync(home);
  const args = [
    "install",
    "--ignore-scripts",
    "--prefer-offline",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
  ];
  const { status, stderr } = spawnSync("npm", [...args, join(dist.folder, `${dist.name}.tgz`)], {
    cwd: home,
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  const installed = join(home, "node_modules/kleidi");

  test("prints its version, commit, Node, ABI and platform", () => {
    const { status, stdout } = runAs(join(home, "node_modules/.bin/kleidi"), ["version", "--json"], home);
    assert.equal(status, 0);
    const said = JSON.parse(stdout);
    assert.equal(said.commit.replace(/-modified$/, ""), dist.commit);
    const { node } = process.versions;
    const platform = `linux-${process.arch}`;
    assert.deepEqual({ ...said, commit: "" }, { version, commit: "", node, abi: 1, platform });
    const text = runAs(join(home, "node_modules/.bin/kleidi"), ["--version"], home).stdout;
    assert.equal(text, `${version}\ncommit ${said.commit}\nNode ${node}\nABI 1\nplatform ${platform}\n`);
  });

  test("creates a key, and check --live encrypts and decrypts with it, as an ordinary user", () =>
    tryLive(installed, "npm-live"));

  test("refuses a module with another digest than the configuration's", () => {
    const path = join(folder, "npm-live", "kleidi.yaml");
    const text = readFileSync(path, "utf8").replace(/"sha256":"./, '"sha256":"g');
    writeFileSync(join(folder, "npm-live", "bad.yaml"), text.replace('"sha256":"g', '"sha256":"0'));
    const { status, stdout } = runAs(
      join(installed, "host/kleidi"),
      ["check", "--config", join(folder, "npm-live", "bad.yaml"), "--json"],
      home,
    );
    assert.equal(status, 1);
    assert.equal(JSON.parse(stdout).ok, false);
  });

  test("writes a new provider in C, and builds it", () => {
    const bin = join(home, "node_modules/.bin/kleidi");
    const work = join(folder, "author");
    mkdirSync(work);
    chownSync(work, USER.uid ?? process.getuid?.() ?? 0, USER.gid ?? process.getgid?.() ?? 0);
    const made = runAs(bin, ["provider", "new", "mine", "--lang", "c", "--json"], work);
    assert.equal(made.status, 0, made.stderr);
    const { status, stdout, stderr } = runAs(bin, ["provider", "build", "mine", "--json"], work);
    assert.equal(status, 0, stdout + stderr);
    const { module } = JSON.parse(stdout);
    assert.equal(runAs(bin, ["inspect", module], work).status, 0);
  });

  test("writes a new provider in each other language", () => {
    for (const language of ["assemblyscript", "go"]) {
      const args = ["provider", "new", language, "--lang", language];
      const { status, stderr } = runAs(join(home, "node_modules/.bin/kleidi"), args, join(folder, "author"));
      assert.equal(status, 0, stderr);
    }
  });

  test("installs the Node of the lockfile, and no other package", () => {
    const packages = readdirSync(join(home, "node_modules")).filter((name) => !name.startsWith("."));
    assert.deepEqual(packages, ["kleidi", `node-linux-${process.arch}`]);
  });
});

describe("the tree", () => {
  test("creates a key, and check --live encrypts and decrypts with it, as an ordinary user", (t) => {
    // The cache of the test may be in a folder that other users cannot enter.
    const copy = join(folder, "tree");
    t.after(() => rmSync(copy, { recursive: true, force: true }));
    assert.equal(spawnSync("cp", ["-a", dist.tree, copy]).status, 0);
    tryLive(copy, "tree-live");
    assert.equal(existsSync(join(copy, "node_modules/.cache")), false);
  });

  test("has the host in few files, which import no package", () => {
    const files = globSync("host/**/*.js", { cwd: dist.tree });
    assert.ok(files.length > 50 && files.length < 250, `${files.length} files`);
    assert.ok(
      files.every((file) => dirname(file) === "host"),
      files.join(" "),
    );
    const program = `for (const file of ${JSON.stringify(files.filter((file) => file !== "host/main.js"))})
      await import("${dist.tree}/" + file);`;
    const node = join(dist.tree, `node_modules/node-linux-${process.arch}/bin/node`);
    const { status, stderr } = spawnSync(node, ["--input-type=module", "--eval", program], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    const code = globSync("node_modules/**/*.{js,cjs,mjs}", { cwd: dist.tree });
    assert.deepEqual(
      code.filter((file) => !file.startsWith("node_modules/@extism/extism/")),
      [],
    );
  });

  test("loads little before the socket", () => {
    const host = join(dist.tree, "host");
    const [serve = ""] = globSync("serve-*.js", { cwd: host });
    const loaded = new Set(["main.js", serve]);
    let bytes = 0;
    for (const file of loaded) {
      const text = readFileSync(join(host, file), "utf8");
      bytes += text.length;
      for (const [, part = ""] of text.matchAll(/^(?:import|} from) .*?"\.\/([^"]+)";$/gm)) loaded.add(part);
    }
    // With zod's 50 languages it was 1.6 MB.
    assert.ok(loaded.size > 20 && bytes < 1_300_000, `${loaded.size} files, ${bytes} bytes`);
  });

  test("has no source, map, declaration, test or script, but each package's licence", () => {
    const files = globSync("**/*", { cwd: dist.tree, exclude: (name) => name.endsWith("/bin/node") });
    assert.deepEqual(
      files.filter(
        (file) =>
          /\.(map|[cm]?tsx?)$|\.test\.|(^|\/)\.[^/]|^(test|bench)\//.test(file) && !AUTHORS.test(file),
      ),
      [],
    );
    const { scripts, devDependencies } = JSON.parse(readFileSync(join(dist.tree, "package.json"), "utf8"));
    assert.deepEqual([scripts, devDependencies], [undefined, undefined]);
    assert.ok(files.includes(`node_modules/node-linux-${process.arch}/LICENSE`));
    assert.ok(files.includes("node_modules/@grpc/grpc-js/LICENSE"));
  });

  test("has the guest's program unchanged from the checkout, and the modules of SHA256SUMS", () => {
    for (const file of globSync("host/**/*.mjs", { cwd: root }))
      assert.ok(readFileSync(join(dist.tree, file)).equals(readFileSync(join(root, file))), file);
    const options = { cwd: join(dist.tree, "providers"), encoding: "utf8" } as const;
    const { status, stdout } = spawnSync("sha256sum", ["--check", "SHA256SUMS"], options);
    assert.equal(status, 0, stdout);
  });
});

describe("the tree of the operator", () => {
  const tree = join(dist.folder, dist.operator);

  test("has every package that a file of the operator imports, and starts", () => {
    const files = globSync("operator/!(node_modules)/**/*.js", { cwd: tree });
    assert.ok(files.length > 10, `${files.length} files`);
    const program = `for (const file of ${JSON.stringify(files)}) await import("${tree}/" + file);`;
    const imported = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
      encoding: "utf8",
    });
    assert.equal(imported.status, 0, imported.stderr);
    const { status, stdout } = spawnSync(process.execPath, [join(tree, "operator/main.js"), "--help"], {
      encoding: "utf8",
    });
    assert.deepEqual([status, stdout.split("|")[0]], [0, "Usage: kleidi-operator controller"]);
  });

  test("has no source, manifest or development package", () => {
    const files = globSync("**/*", { cwd: tree });
    assert.deepEqual(
      files.filter((file) => /\.(map|[cm]?tsx?|ya?ml)$|\.test\./.test(file)),
      [],
    );
    const packages = readdirSync(join(tree, "operator/node_modules")).filter((name) => !name.startsWith("."));
    assert.deepEqual(packages.sort(), ["@opentelemetry", "bintrees", "prom-client", "tdigest"]);
  });
});

describe("npm run dist in another checkout", () => {
  const checkout = new Checkout("another folder, ü");
  after(() => checkout.remove());
  const run = (args: readonly string[], env: NodeJS.ProcessEnv = {}, umask = "0022") =>
    spawnSync("sh", ["-c", `umask ${umask}; exec "$0" .ci/dist/main.ts "$@"`, process.execPath, ...args], {
      cwd: checkout.path,
      encoding: "utf8",
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    });

  test("results in the same bytes under another umask, time zone and locale, with and without a signature", () => {
    const keys = checkout.beside("keys");
    mkdirSync(keys);
    assert.equal(minisign(keys, ["-G", "-W", "-p", "kleidi.pub", "-s", "release.key"]).status, 0);
    const runs = [
      { umask: "0022", env: {}, signing: ["--key", join(keys, "release.key")] },
      { umask: "0077", env: { LC_ALL: "tr_TR.UTF-8", TZ: "Pacific/Kiritimati" }, signing: [] },
    ];
    const [signed, unsigned] = runs.map(({ umask, env, signing }, index) => {
      const out = checkout.beside(`out-${index}`);
      const { status, stdout, stderr } = run(["--out", out, ...signing, "--json"], env, umask);
      assert.equal(status, 0, `${stdout}${stderr}`);
      assert.deepEqual(JSON.parse(stdout).notRun, []);
      assert.equal(spawnSync("sha256sum", ["--check", "SHA256SUMS"], { cwd: out }).status, 0);
      return { out, sums: readFileSync(join(out, "SHA256SUMS"), "utf8") };
    });
    assert.equal(signed?.sums.trimEnd().split("\n").length, 4);
    assert.equal(unsigned?.sums, signed?.sums);
    const verify = ["-V", "-p", join(keys, "kleidi.pub"), "-m", "SHA256SUMS"];
    assert.equal(minisign(signed?.out ?? "", verify).status, 0);
    assert.equal(existsSync(join(unsigned?.out ?? "", "SHA256SUMS.minisig")), false);
  });

  test("refuses a folder that exists", () => {
    const { status, stdout } = run(["--out", checkout.beside(""), "--json"]);
    assert.equal(status, 1);
    assert.match(JSON.parse(stdout).message, /already exists; name a folder that does not exist/);
  });

  for (const [args, says] of [
    [["--arch", "riscv64"], /--arch is riscv64, expected x64 or arm64/],
    [["--kye", "x"], /Unknown option '--kye'/],
  ] as const) {
    test(`refuses the arguments ${JSON.stringify(args)}`, () => {
      const { status, stderr } = run(args);
      assert.equal(status, 2);
      assert.match(stderr, says);
      assert.match(stderr, /^Examples:$/m);
    });
  }
});
