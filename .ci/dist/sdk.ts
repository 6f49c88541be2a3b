/**
 * Makes the package of npm for authors of providers, @kleidi/provider-sdk: the SDKs as sources, the contract, and the stand-in of the host
 * for tests as JavaScript. `kleidi provider new` copies an SDK instead; the package is for a project that wants it as a dependency.
 */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type Head, readFiles } from "../release/commit.ts";
import { normalise, pack } from "./archive.ts";
import type { Manifest } from "./manifest.ts";
import { run } from "./run.ts";

/** The files of the checkout that the package has unchanged, and their places in it. */
const COPIED: readonly (readonly [pattern: RegExp, place: string])[] = [
  [/^sdk\/assemblyscript\/(assembly\/.*\.(ts|json))$/, "$1"],
  [/^sdk\/(c\/.*\.h)$/, "$1"],
  [/^sdk\/(go\/(?!.*_test\.go$).*)$/, "$1"],
  [/^sdk\/(README\.md)$/, "$1"],
  [/^(proto\/provider\/v1\/.*\.(proto|json))$/, "$1"],
  [/^(LICENSE)$/, "$1"],
];
const STAND_IN = "./sdk/assemblyscript/stand-in";

/**
 * @param checkout the root of the checkout that contains this program
 * @param into the folder of the archive
 * @param name of the archive, without extension
 * @returns the name of the archive: NAME.tgz
 * @throws ReleaseFault if a step fails
 */
export function makeSdk(checkout: string, head: Head, into: string, name: string): string {
  const work = mkdtempSync(join(into, "sdk-"));
  try {
    const [folder, packed] = [join(work, "package"), join(work, "packed")];
    for (const each of [folder, packed]) mkdirSync(each);
    const tsc = join(checkout, "node_modules", ".bin", "tsc");
    run(tsc, ["--project", join(checkout, ".ci/dist/tsconfig.sdk.json"), "--outDir", folder], checkout);
    copyFiles(checkout, folder);
    const manifest: Manifest & { readonly devDependencies: Readonly<Record<string, string>> } = JSON.parse(
      readFileSync(join(checkout, "package.json"), "utf8"),
    );
    const gitHead = head.changes === "" ? head.id : `${head.id}-modified`;
    writeFileSync(join(folder, "package.json"), sdkManifest(manifest, gitHead));
    normalise(folder, head.time);
    renameSync(pack(folder, packed), join(into, `${name}.tgz`));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return `${name}.tgz`;
}

function copyFiles(checkout: string, folder: string): void {
  for (const path of readFiles(checkout)) {
    const found = COPIED.find(([pattern]) => pattern.test(path));
    if (found === undefined) continue;
    const to = join(folder, path.replace(...found));
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(join(checkout, path), to);
  }
}

function sdkManifest(
  {
    version,
    license,
    engines,
    dependencies,
    devDependencies,
    private: isPrivate,
  }: Manifest & { readonly devDependencies: Readonly<Record<string, string>> },
  gitHead: string,
): string {
  const both = (file: string) => ({ types: `${file}.d.ts`, default: `${file}.js` });
  const document = {
    name: "@kleidi/provider-sdk",
    version,
    description:
      "SDKs for providers of kleidi in AssemblyScript, C and Go, and a stand-in of the host for tests",
    license,
    private: isPrivate,
    type: "module",
    gitHead,
    engines,
    exports: {
      "./stand-in": both(STAND_IN),
      "./stand-in-crypto": both(`${STAND_IN}-crypto`),
      "./proto": both("./proto/provider/v1/provider_pb"),
      "./package.json": "./package.json",
    },
    files: ["assembly", "c", "go", "proto", "sdk"],
    dependencies: { "@bufbuild/protobuf": dependencies["@bufbuild/protobuf"] },
    peerDependencies: { assemblyscript: devDependencies.assemblyscript },
    // C and Go need none
    peerDependenciesMeta: { assemblyscript: { optional: true } },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
