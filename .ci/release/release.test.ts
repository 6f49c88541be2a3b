/** A release is reproducible, contains only the files that a host needs, and is refused if it would not match its name. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, afterEach, describe, test } from "node:test";
import { Checkout } from "./checkout.ts";
import { isReleased } from "./contents.ts";

const checkout = new Checkout("checkout");
const elsewhere = new Checkout("another folder, ü");
after(() => {
  checkout.remove();
  elsewhere.remove();
});
const id = checkout.git("rev-parse", "HEAD").trimEnd();
const { version } = JSON.parse(readFileSync(join(checkout.path, "package.json"), "utf8"));
const name = `kleidi-${version}+g${id.slice(0, 12)}`;
const out = checkout.beside("out");
// The packages that run without a build take most of the time; dist.test.ts and verify.test.ts cover them.
const made = checkout.release(["--out", out, "--source-only", "--json"]);

test("--json prints the release as JSON", () => {
  assert.equal(made.status, 0, made.stderr);
  const said = JSON.parse(made.stdout);
  assert.deepEqual([said.ok, said.name, said.commit], [true, name, id]);
  const files: { name: string; sha256: string }[] = said.files;
  assert.deepEqual(
    files.map((file) => file.name),
    [
      "aws.wasm",
      "azure.wasm",
      "gcp.wasm",
      "gpg.wasm",
      `${name}.cdx.json`,
      `${name}.tar`,
      "local.wasm",
      "tpm.wasm",
      "vault.wasm",
    ],
  );
  const sums = files.map((file) => `${file.sha256}  ${file.name}\n`).join("");
  assert.equal(readFileSync(join(out, "SHA256SUMS"), "utf8"), sums);
  assert.deepEqual(readdirSync(out).sort(), [...files.map((file) => file.name), "SHA256SUMS"].sort());
});

test("another path, user, umask, locale, time zone and git configuration result in the same bytes", () => {
  assert.equal(elsewhere.git("rev-parse", "HEAD").trimEnd(), id);
  const attributes = elsewhere.beside("attributes");
  writeFileSync(attributes, "*.md export-ignore\n*.ts eol=crlf\n");
  const config = elsewhere.beside("gitconfig");
  writeFileSync(
    config,
    `[tar]\n\tumask = 0077\n[core]\n\tautocrlf = true\n\tattributesFile = ${attributes}\n[status]\n\tshowUntrackedFiles = no\n`,
  );
  const there = elsewhere.beside("out");
  const { status, stderr } = elsewhere.release(["--out", there, "--source-only"], {
    umask: "0077",
    env: { LC_ALL: "tr_TR.UTF-8", TZ: "Pacific/Kiritimati", GIT_CONFIG_GLOBAL: config },
  });
  assert.equal(status, 0, stderr);
  assert.deepEqual(readdirSync(there).sort(), readdirSync(out).sort());
  for (const file of readdirSync(out))
    assert.ok(readFileSync(join(there, file)).equals(readFileSync(join(out, file))), file);
});

describe("the archive", () => {
  const tar = join(out, `${name}.tar`);
  const listed = spawnSync("tar", ["--list", "--verbose", "--numeric-owner", "--utc", "--file", tar], {
    encoding: "utf8",
  }).stdout;
  const rows = listed.trimEnd().split("\n");

  test("belongs to root, with the time of the commit and modes that do not depend on the user", () => {
    for (const row of rows)
      assert.match(row, /^(-rw-r--r--|-rwxr-xr-x|drwxr-xr-x) 0\/0 +\d+ 2026-06-01 12:00 kleidi-/);
  });

  test("names its commit", () => {
    const { stdout } = spawnSync("git", ["get-tar-commit-id"], {
      input: readFileSync(tar),
      encoding: "utf8",
    });
    assert.equal(stdout.trimEnd(), id);
  });

  test("has the host, the modules, the SDK, the contracts and the documents, and no tests", () => {
    const files = rows.map((row) => row.replace(/^.*? kleidi-[^/]*\//, ""));
    for (const file of [
      "CHANGELOG.md",
      "LICENSE",
      "deploy/prometheus/kleidi.rules.yaml",
      "docs/operate/failures.md",
      "examples/vault/kleidi.yaml",
      "host/kleidi",
      "host/main.ts",
      "package-lock.json",
      "proto/provider/v1/provider_pb.ts",
      "providers/SHA256SUMS",
      "providers/tpm.wasm",
      "sdk/assemblyscript/assembly/index.ts",
    ])
      assert.ok(files.includes(file), file);
    const others = files.filter((file) =>
      /\.test\.|(^|\/)(test|bench|node_modules|harness|\.ci|\.git)\//.test(file),
    );
    assert.deepEqual(others, []);
  });
});

test("a file's path alone decides if a release contains it", () => {
  for (const path of ["host/kms/seal.ts", "README.md", ".npmrc", "providers/local/provider.json"])
    assert.equal(isReleased(path), true, path);
  for (const path of [
    "host/kms/seal.test.ts",
    "test/run.ts",
    "biome.json",
    "hosts/a.ts",
    "proto/baseline.binpb",
  ])
    assert.equal(isReleased(path), false, path);
});

describe("a tag of the version", () => {
  const tagged = checkout.beside("tagged");
  /** Tags a commit with these changes, and makes the release. */
  const release = (change: () => void) => {
    change();
    checkout.commit();
    checkout.git("tag", "--force", `v${version}`);
    return checkout.release(["--out", tagged, "--source-only", "--json"]);
  };
  const addSection = () =>
    appendFileSync(join(checkout.path, "CHANGELOG.md"), `\n## [${version}] - 2026-06-01\n`);
  const addMessage = () =>
    appendFileSync(join(checkout.path, "proto/provider/v1/provider.proto"), "\nmessage Added {}\n");
  const renew = () => {
    const { status } = spawnSync(process.execPath, ["proto/breaking.ts", "--renew"], { cwd: checkout.path });
    assert.equal(status, 0);
  };
  afterEach(() => {
    checkout.git("reset", "--quiet", "--hard", id);
    checkout.git("tag", "--delete", `v${version}`);
    rmSync(tagged, { recursive: true, force: true });
  });

  test("makes a release", () => {
    const { stdout } = release(() => {
      addSection();
      // Without effect, unless the contracts have additions since the last release.
      renew();
    });
    assert.equal(JSON.parse(stdout).name, `kleidi-${version}`);
  });

  test("makes a release with additions to the contracts, once the baseline is renewed", () => {
    const { stdout } = release(() => {
      addSection();
      addMessage();
      renew();
    });
    assert.equal(JSON.parse(stdout).name, `kleidi-${version}`);
  });

  const refused: Readonly<Record<string, readonly [change: () => void, says: RegExp]>> = {
    "without a section of the changelog": [
      addMessage,
      /CHANGELOG\.md has no section "## \[\d+\.\d+\.\d+\] - DATE"/,
    ],
    "with a baseline of the release before": [
      () => {
        addSection();
        addMessage();
      },
      /proto\/baseline\.binpb does not have the contracts of this release/,
    ],
  };
  for (const [what, [change, says]] of Object.entries(refused)) {
    test(`makes none ${what}`, () => {
      const { status, stdout } = release(change);
      assert.equal(status, 1);
      assert.match(JSON.parse(stdout).message, says);
      assert.equal(existsSync(tagged), false);
    });
  }
});

describe("a release is refused", () => {
  const fresh = () => checkout.beside("refused");
  const refuses = (says: RegExp, args = ["--out", fresh()]) => {
    const { status, stdout, stderr } = checkout.release([...args, "--json"]);
    assert.equal(status, 1, stderr);
    const said = JSON.parse(stdout);
    assert.equal(said.ok, false);
    assert.match(said.message, says);
    assert.deepEqual(
      readdirSync(checkout.beside("")).filter((each) => each.startsWith("refused")),
      [],
    );
  };

  test("if a file was changed", (t) => {
    t.after(() => checkout.git("checkout", "--", "README.md"));
    appendFileSync(join(checkout.path, "README.md"), "x");
    refuses(/uncommitted changes.*\n M README\.md$/s);
  });

  test("if a file is untracked, whatever git's configuration hides", (t) => {
    const file = join(checkout.path, "host", "new.ts");
    writeFileSync(file, "");
    checkout.git("config", "status.showUntrackedFiles", "no");
    t.after(() => {
      rmSync(file);
      checkout.git("config", "--unset", "status.showUntrackedFiles");
    });
    refuses(/\?\? host\/new\.ts/);
  });

  test("if the modules do not have the digests of the commit", (t) => {
    const file = join(checkout.path, "providers", "SHA256SUMS");
    writeFileSync(
      file,
      readFileSync(file, "utf8").replace(/^./, (digit) => (digit === "0" ? "1" : "0")),
    );
    checkout.commit();
    t.after(() => checkout.git("reset", "--quiet", "--hard", id));
    refuses(/the modules that were built are not those of providers\/SHA256SUMS/);
  });

  test("from a folder inside another checkout, as an unpacked release can be", (t) => {
    const outer = new Checkout("outer");
    t.after(() => outer.remove());
    outer.git("clone", "--quiet", checkout.path, "inner");
    rmSync(join(outer.path, "inner", ".git"), { recursive: true });
    outer.git("add", "--all");
    const args = [".ci/release/main.ts", "--out", outer.beside("refused")];
    const { status, stderr } = spawnSync(process.execPath, args, {
      cwd: join(outer.path, "inner"),
      encoding: "utf8",
    });
    assert.equal(status, 1);
    assert.match(stderr, /is not a checkout, but the folder inner\/ of another one/);
  });

  test("if the output folder exists", () => {
    const there = checkout.beside("there");
    mkdirSync(there);
    refuses(/already exists/, ["--out", there]);
    assert.deepEqual(readdirSync(there), []);
  });

  for (const [args, says] of [
    [[], /--out is missing/],
    [["--out"], /argument missing/],
    [["--out", "x", "--kye", "y"], /Unknown option '--kye'/],
  ] as const) {
    test(`with the arguments ${JSON.stringify(args)}`, () => {
      const { status, stderr } = checkout.release(args);
      assert.equal(status, 2);
      assert.match(stderr, says);
      assert.match(stderr, /^Examples:$/m);
    });
  }
});

test("--help has examples and the exit codes", () => {
  const { status, stdout } = checkout.release(["--help"]);
  assert.equal(status, 0);
  assert.match(stdout, /^Examples:$/m);
  assert.match(stdout, /^Exit codes: 0 success, 1 problems found, 2 usage error\.$/m);
});
