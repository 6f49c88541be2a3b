/** Makes the package.json of the package from the checkout's, without the scripts and packages for development. */

/** The members of the checkout's package.json that the package keeps. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly private: boolean;
  readonly type: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

const FILES = [
  "completions",
  "deploy",
  "docs",
  "examples",
  "host",
  "man",
  "proto",
  "providers",
  "sdk",
  "*.md",
  "*.cdx.json",
];

/**
 * @param gitHead the commit, as `kleidi version` prints it
 * @param man the paths of the man pages, for npm to link
 * @returns the text of the file. The package bundles its dependencies except Node, which depends on the processor: npm installs it.
 */
export function manifestOf(manifest: Manifest, gitHead: string, man: readonly string[]): string {
  const { name, version, description, license, type, engines, bin, dependencies, optionalDependencies } =
    manifest;
  const document = {
    name,
    version,
    description,
    license,
    private: manifest.private,
    type,
    gitHead,
    engines,
    os: ["linux"],
    cpu: ["x64", "arm64"],
    bin,
    man,
    files: FILES,
    dependencies,
    bundleDependencies: Object.keys(dependencies),
    optionalDependencies,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
