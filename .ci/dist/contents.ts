/** Selects the files that the package copies unchanged from the checkout, in addition to the bundle. */

const COPIED = [
  /^host\/kleidi(-node)?$/,
  // The programs that run in processes other than the host, and their system call filters.
  /^host\/.*\.(mjs|bpf)$/,
  /^proto\/.*\.proto$/,
  // kleidi provider test reads the vectors and the cases, and the fixtures of these providers
  /^proto\/provider\/v1\/.*\.json$/,
  /^providers\/[^/]+\/kms\.fixture\.json$/,
  /^providers\/(SHA256SUMS|[^/]+\/README\.md)$/,
  // kleidi provider new copies these; provider build uses kleidi.h
  /^examples\/http-[a-z]+\//,
  /^sdk\/(assemblyscript\/assembly|c|go)\//,
  /^docs\/.*\.(md|json)$/,
  /^examples\/[^/]+\/[^/]+\.(yaml|hcl)$/,
  /^deploy\/(prometheus|grafana)\/(?!.*\.test\.)/,
  /^(LICENSE|(README|CHANGELOG|SECURITY)\.md)$/,
];

/**
 * @param path of a tracked file, relative to the root of the checkout
 * @returns true if the package contains the file unchanged
 * @example isCopied("host/sandbox/guest/main.mjs") // true
 */
export function isCopied(path: string): boolean {
  return COPIED.some((pattern) => pattern.test(path));
}

/** Folders at the root of a package only: below it, "doc" and "test" can belong to the program. */
const UNUSED_FOLDERS = /^(\..*|__tests__|tests?|benchmarks?|docs?|examples?)$/;
const UNUSED_FILES = /(\.map|\.[cm]?tsx?|\.flow|\.md|\.markdown|^\..*|^tsconfig.*\.json)$/i;
const LICENCE = /^(licen[cs]e|notice|copying)/i;

/**
 * @param name of a file in a package of npm
 * @returns true if the running host does not read it: source maps, declarations, documents. Licences are kept.
 */
export function isUnusedFile(name: string): boolean {
  return UNUSED_FILES.test(name) && !isLicence(name);
}

/** @param name of a file in a package of npm */
export function isLicence(name: string): boolean {
  return LICENCE.test(name);
}

/** @param name of a folder at the root of a package of npm */
export function isUnusedFolder(name: string): boolean {
  return UNUSED_FOLDERS.test(name);
}
