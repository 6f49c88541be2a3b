/** Compares the bill of materials with npm's own, which reads the same lockfile. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sbomOf } from "./sbom.ts";

const root = join(import.meta.dirname, "..", "..");
const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
const { version, license } = lock.packages[""];
const RELEASE = { version, license, commit: "0123456789".repeat(4), time: 1_780_315_200 };
const MODULES = [{ name: "local.wasm", sha256: "ab".repeat(32) }];

interface Component {
  readonly "bom-ref": string;
  readonly type: string;
  readonly purl: string;
  readonly scope: string;
  readonly hashes: unknown;
  readonly licenses: ({ readonly expression: string } | { readonly license: { readonly id: string } })[];
}
interface Document {
  readonly components: Component[];
  readonly dependencies: { readonly ref: string; readonly dependsOn: string[] }[];
  readonly serialNumber: string;
  readonly metadata: { readonly timestamp: string };
}

const ours: Document = JSON.parse(sbomOf(RELEASE, lock, MODULES));
/** The bill of materials from npm, for all packages: with --omit=dev npm also omits packages that the tests and the host both need. */
const theirs: Document = JSON.parse(npm("sbom", "--sbom-format=cyclonedx"));

test("it has the packages that npm installs without development packages", () => {
  const [, ...installed] = npm("ls", "--all", "--omit=dev", "--parseable", "--long").trimEnd().split("\n");
  const refs = installed.map((line) => line.split(":")[1]);
  assert.ok(refs.length > 30);
  assert.deepEqual(
    packagesOf(ours)
      .map((each) => each["bom-ref"])
      .sort(),
    refs.sort(),
  );
});

test("a package has the digest, the licence and the scope that npm reports", () => {
  const known = new Map(packagesOf(theirs).map((each) => [each["bom-ref"], fieldsOf(each)]));
  for (const each of packagesOf(ours)) assert.deepEqual(fieldsOf(each), known.get(each["bom-ref"]));
});

test("a package has the dependencies that npm reports", () => {
  const known = new Map(theirs.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
  const [own, ...others] = ours.dependencies;
  for (const { ref, dependsOn } of others) assert.deepEqual(dependsOn, known.get(ref)?.sort(), ref);
  const wanted = Object.entries({
    ...lock.packages[""].dependencies,
    ...lock.packages[""].optionalDependencies,
  });
  const node = `node@${process.versions.node}`;
  assert.deepEqual(own?.dependsOn, [...wanted.map((each) => each.join("@")).sort(), node, "local.wasm"]);
});

test("Node itself is a component, with the running version and the names of vulnerability databases", () => {
  const [node] = ours.components.filter(({ type }) => type === "application");
  const { node: version } = process.versions;
  assert.deepEqual(node, {
    "bom-ref": `node@${version}`,
    type: "application",
    name: "node",
    version,
    scope: "required",
    purl: `pkg:generic/node@${version}`,
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
    licenses: [{ expression: "MIT" }],
  });
});

test("a module is a file with its digest and its compiler", () => {
  const [module] = ours.components.filter(({ type }) => type === "file");
  assert.deepEqual(module?.hashes, [{ alg: "SHA-256", content: "ab".repeat(32) }]);
  assert.match(JSON.stringify(module), /pkg:npm\/assemblyscript@\d/);
});

test("its serial number and time follow from the commit", () => {
  assert.equal(ours.metadata.timestamp, "2026-06-01T12:00:00.000Z");
  assert.match(
    ours.serialNumber,
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  assert.equal(sbomOf(RELEASE, lock, MODULES), sbomOf({ ...RELEASE }, structuredClone(lock), MODULES));
  assert.notEqual(
    JSON.parse(sbomOf({ ...RELEASE, commit: "f".repeat(40) }, lock, MODULES)).serialNumber,
    ours.serialNumber,
  );
});

test("two versions of one package are two components, and each dependency resolves as in Node", () => {
  const integrity = "sha512-AAAA";
  const packages = {
    "": { version: "1.0.0", dependencies: { a: "1", b: "1" } },
    "node_modules/a": { version: "1.0.0", integrity, dependencies: { b: "2" } },
    "node_modules/a/node_modules/b": { version: "2.0.0", integrity, dependencies: { c: "1" } },
    "node_modules/b": { version: "1.0.0", integrity },
    "node_modules/c": { version: "1.0.0", integrity },
    "node_modules/d": { version: "1.0.0", integrity, dev: true },
  };
  const { dependencies }: Document = JSON.parse(sbomOf(RELEASE, { packages }, []));
  assert.deepEqual(Object.fromEntries(dependencies.map(({ ref, dependsOn }) => [ref, dependsOn])), {
    [`kleidi@${version}`]: ["a@1.0.0", "b@1.0.0"],
    "a@1.0.0": ["b@2.0.0"],
    "b@2.0.0": ["c@1.0.0"],
    "b@1.0.0": [],
    "c@1.0.0": [],
  });
});

test("a package without a digest in the lockfile is refused", () => {
  const packages = {
    "": { version: "1.0.0" },
    "node_modules/a": { version: "1.0.0", integrity: "sha1-AAAA" },
  };
  assert.throws(() => sbomOf(RELEASE, { packages }, []), {
    message: "package-lock.json has no SHA-512 of a",
  });
});

function npm(...args: string[]): string {
  return spawnSync("npm", [...args, "--package-lock-only"], { cwd: root, encoding: "utf8" }).stdout;
}

function packagesOf({ components }: Document): Component[] {
  return components.filter(({ type }) => type === "library");
}

function fieldsOf({ purl, hashes, scope, licenses: [first] }: Component) {
  const license = first !== undefined && "expression" in first ? first.expression : first?.license.id;
  return { purl, hashes, scope, license };
}
