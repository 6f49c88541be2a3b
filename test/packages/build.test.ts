/** npm run dist -- --packages: the same tree gives the same bytes, and the packages have what a node needs. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { builtDist } from "../../.ci/dist/built.ts";
import type { Dist } from "../../.ci/dist/dist.ts";
import { Checkout } from "../../.ci/release/checkout.ts";
import type { SummedFile } from "../../.ci/release/sums.ts";
import { packageVersion } from "../../deploy/packages/version.ts";
import { output } from "../support/containers.ts";
import { requireDebian } from "../support/debian.ts";
import { sha256Of } from "../support/fixture.ts";
import { buildVersion, builtPackages } from "./built.ts";

requireDebian(["rpm"]);

type Written = Omit<Dist, "files"> & { readonly files: readonly SummedFile[] };

describe("npm run dist -- --packages", () => {
  const checkout = new Checkout("checkout");
  after(() => checkout.remove());

  test("gives the same bytes twice, under another umask, time zone and number of processors", async () => {
    const out = checkout.beside("out");
    const script = 'umask 0077; exec "$0" .ci/dist/main.ts "$@"';
    const args = ["--packages", "--out", out, "--json"];
    const { status, stdout, stderr } = spawnSync("sh", ["-c", script, process.execPath, ...args], {
      cwd: checkout.path,
      encoding: "utf8",
      env: { ...process.env, GOMAXPROCS: "1", LC_ALL: "C", TZ: "Pacific/Kiritimati" },
    });
    assert.equal(status, 0, `${stdout}${stderr}`);
    assert.equal(spawnSync("sha256sum", ["--check", "SHA256SUMS"], { cwd: out }).status, 0);
    const dist: Written = JSON.parse(stdout);
    const first = dist.files.filter(({ name }) => /\.(deb|rpm)$/.test(name));
    const again = checkout.beside("again");
    mkdirSync(again);
    const tree = join(out, dist.trees[0] ?? "");
    const version = packageVersion(dist.name, dist.time);
    const second = buildVersion({ ...dist, tree }, again, version);
    assert.deepEqual(
      first.map(({ name, sha256 }) => `${sha256} ${name}`),
      second.sort().map((name) => `${sha256Of(join(again, name))} ${name}`),
    );
    assert.equal(first.length, 2);
  });

  test("reports that Go is missing before it makes anything", () => {
    const programs = checkout.beside("programs");
    mkdirSync(programs);
    for (const name of ["bash", "dirname"]) symlinkSync(`/usr/bin/${name}`, join(programs, name));
    const out = checkout.beside("nothing");
    const args = [join(checkout.path, ".ci/dist/main.ts"), "--packages", "--out", out, "--json"];
    const env = { HOME: process.env.HOME, PATH: programs };
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env });
    assert.equal(status, 1, stderr);
    assert.match(JSON.parse(stdout).message, /`go` is not in PATH, install Go 1\.26 or newer/);
    assert.equal(existsSync(out), false);
  });
});

describe("the packages", () => {
  let folder: string;
  before(async () => {
    folder = await builtPackages();
  });
  const fileOf = (pattern: string) => join(folder, globSync(pattern, { cwd: folder })[0] ?? "");

  test("the .deb has a page of the manual and a completion for each command, and no configuration file", async () => {
    const deb = fileOf("kleidi_0.1.0-1_*.deb");
    const paths = output("dpkg-deb", ["--contents", deb])
      .split("\n")
      .map((line) => line.split(/\s+/)[5]?.slice(1) ?? "");
    const { tree } = await builtDist();
    for (const page of globSync("*.1", { cwd: join(tree, "man") }))
      assert.ok(paths.includes(`/usr/share/man/man1/${page}.gz`), page);
    for (const path of [
      "/usr/bin/kleidi",
      "/usr/share/bash-completion/completions/kleidi",
      "/usr/share/doc/kleidi/copyright",
      "/usr/share/doc/kleidi/examples/kleidi.yaml",
      "/usr/share/doc/kleidi/examples/vault/kleidi.yaml",
      "/usr/share/fish/vendor_completions.d/kleidi.fish",
      "/usr/share/zsh/vendor-completions/_kleidi",
    ])
      assert.ok(paths.includes(path), path);
    assert.deepEqual(
      paths.filter((path) => !path.startsWith("/usr/") && path !== "/"),
      [],
    );
    const control = output("dpkg-deb", ["--info", deb]);
    assert.doesNotMatch(control, /conffiles/);
  });

  test("both packages belong to root, and do not name the build machine", () => {
    const rpm = fileOf("kleidi-0.1.0-1.*.rpm");
    const owners = output("rpm", [
      "--query",
      "--package",
      "--queryformat",
      "[%{FILEUSERNAME}:%{FILEGROUPNAME}\\n]",
      rpm,
    ]);
    assert.deepEqual([...new Set(owners.split("\n"))], ["root:root"]);
    assert.equal(output("rpm", ["--query", "--package", "--queryformat", "%{BUILDHOST}", rpm]), "localhost");
    const members = output("dpkg-deb", ["--contents", fileOf("kleidi_0.1.0-1_*.deb")]).split("\n");
    assert.deepEqual([...new Set(members.map((line) => line.split(/\s+/)[1]))], ["root/root"]);
  });

  test("the dependencies contain each library that Node needs", async () => {
    const { tree } = await builtDist();
    const node = join(tree, `node_modules/node-linux-${process.arch}/bin/node`);
    const libraries = output("ldd", [node]).matchAll(/^\s*(?:\/\S*\/)?([\w-]+(?:\+\+)?)[.-]\S* /gm);
    // libc6 has most of the libraries, and the kernel has one.
    const known = [
      "ld-linux",
      "libatomic",
      "libc",
      "libdl",
      "libgcc_s",
      "libm",
      "libpthread",
      "libstdc++",
      "linux-vdso",
    ];
    const unknown = [...libraries]
      .map(([, name = ""]) => name)
      .filter((name) => !known.some((each) => name.startsWith(each)));
    assert.deepEqual(unknown, []);
    const versions = [...readFileSync(node, "latin1").matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) =>
      Number(minor),
    );
    assert.ok(Math.max(...versions) <= 28, `glibc 2.${Math.max(...versions)}`);
  });
});

describe("the version of a package", () => {
  const isLess = (a: string, b: string) => spawnSync("dpkg", ["--compare-versions", a, "lt", b]).status === 0;
  const RELEASE = packageVersion("kleidi-0.1.0", 0);
  const commit = (time: number) => packageVersion("kleidi-0.1.0+g0123456789ab.modified", time);

  test("of a release is the release's", () => assert.equal(RELEASE, "0.1.0"));
  test("of a commit has its time and its name", () =>
    assert.equal(commit(0), "0.1.0~19700101T000000.g0123456789ab.modified"));
  test("of a commit sorts before the release, and after an earlier commit", () =>
    assert.deepEqual([isLess(commit(9), RELEASE), isLess(commit(0), commit(9))], [true, true]));
});
