/**
 * Makes the packages of distributions: a .deb and an .rpm of a tree from `npm run dist`. nfpm writes them; it is built from the Go module
 * in go/. `npm run dist -- --packages` calls this.
 *
 *     /usr/lib/kleidi                     the tree, and /usr/bin/kleidi, a link to its command
 *     /usr/lib/systemd/system, sysusers.d and tmpfiles.d     the files of `kleidi render systemd` for the example
 *     /usr/share/doc/kleidi/examples      an example configuration of each provider
 *     /usr/share/man, bash-completion, zsh, fish
 *
 * The package has no configuration files: /etc/kleidi belongs to the operator. docs/install-systemd.md is the page for the operator.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { normalise } from "../../.ci/dist/archive.ts";
import type { Architecture } from "../../.ci/dist/packages.ts";
import { contentsOf } from "./contents.ts";
import { FORMATS, type Format } from "./formats.ts";
import { buildNfpm, runNfpm } from "./nfpm.ts";
import { stageFiles } from "./staged-files.ts";

export interface PackagesOptions {
  /** The path of a tree; docs/releasing.md. */
  readonly tree: string;
  readonly arch: Architecture;
  /** The result of packageVersion. */
  readonly version: string;
  /** The time of each file in the packages, in seconds since 1970. */
  readonly time: number;
  /** An existing folder, in which the packages are written. */
  readonly into: string;
}

/** The revision of Debian and RPM: each version is packaged once. */
const RELEASE = "1";
const DEBIAN_ARCH: Readonly<Record<Architecture, string>> = { x64: "amd64", arm64: "arm64" };
const SCRIPTS = join(import.meta.dirname, "scripts");

/**
 * Makes both packages. The same tree results in the same bytes.
 * @returns the names of the files, such as kleidi_0.1.0-1_amd64.deb and kleidi-0.1.0-1.x86_64.rpm
 * @throws ReleaseFault if Go is missing, nfpm cannot be built, or nfpm fails
 */
export function makePackages(options: PackagesOptions): string[] {
  const nfpm = buildNfpm();
  const work = mkdtempSync(join(tmpdir(), "kleidi-packages-"));
  try {
    return FORMATS.map((format) => {
      const stage = join(work, format.packager);
      mkdirSync(stage);
      stageFiles(options.tree, stage, format);
      normalise(stage, options.time);
      const config = configOf(options, stage, format);
      return runNfpm(nfpm, config, format.packager, options.into);
    });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The configuration of nfpm; the manual of nfpm documents its fields. */
function configOf({ tree, arch, version, time }: PackagesOptions, stage: string, format: Format): object {
  return {
    name: "kleidi",
    arch: DEBIAN_ARCH[arch],
    version,
    version_schema: "none",
    release: RELEASE,
    section: "admin",
    maintainer: "The kleidi maintainers <maintainers@kleidi.invalid>",
    description: "KMS v2 plugin for Kubernetes\nEvery provider is a sandboxed WebAssembly module.",
    license: "Apache-2.0",
    mtime: new Date(time * 1000).toISOString(),
    umask: 0o022,
    disable_globbing: true,
    depends: format.depends,
    contents: contentsOf(tree, stage),
    scripts: {
      postinstall: join(SCRIPTS, "postinstall.sh"),
      preremove: join(SCRIPTS, "preremove.sh"),
      postremove: join(SCRIPTS, "postremove.sh"),
    },
    deb: { compression: "zstd" },
    rpm: { compression: "zstd", buildhost: "localhost", group: "Unspecified" },
  };
}
