/**
 * Ends a program that an old Node runs. host/main.ts imports this file first, so it is evaluated before any code that an old Node lacks:
 * without it, Node 20 would end with exit code 0 and do nothing, because it does not know `import.meta.main`.
 */
const NEEDED = 26;
const actual = process.versions.node;

if (Number.parseInt(actual, 10) < NEEDED) {
  process.stderr.write(
    `Cannot start kleidi: this is Node ${actual}, and ${NEEDED} or later is needed; run host/kleidi, which uses the Node of the package, or put Node ${NEEDED} on the PATH\n`,
  );
  process.exit(1);
}
