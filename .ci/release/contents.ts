/** Selects the files of a release: those for the host, its operator and provider authors, without those for the development of the project. */

const FOLDERS = ["deploy", "docs", "examples", "host", "proto", "providers", "sdk"];
const FILES = ["LICENSE", "package-lock.json", "package.json", ".npmrc"];
/** Tests, and programs that generate or compare files of the checkout with packages that a release does not install. */
const LEFT_OUT = [
  /\.test\.(ts|yaml)(\.snapshot)?$/,
  /\/(test|harness)\//,
  /^docs\/.*\.ts$/,
  /^examples\/quickstart\//,
  /^proto\/(baseline\.binpb|breaking\.ts|generate\.ts)$/,
];

/**
 * @param path of a tracked file, relative to the root of the checkout
 * @returns true if the release contains it
 * @example isReleased("host/main.ts") // true
 */
export function isReleased(path: string): boolean {
  const [folder = ""] = path.split("/");
  const inside = path.includes("/") ? FOLDERS.includes(folder) : FILES.includes(path) || path.endsWith(".md");
  return inside && !LEFT_OUT.some((pattern) => pattern.test(path));
}
