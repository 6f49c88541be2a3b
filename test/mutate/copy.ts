/**
 * A temporary copy of the tree, in which files are changed and tests are run, so that the tree itself never changes. The copy includes
 * the packages, since a provider's process may read only real files.
 */
import {
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const LEFT_OUT = new Set([".git", ".kleidi"]);

export class TreeCopy {
  readonly root: string;
  /** For files that the tests write; removed with the copy. */
  readonly temporary: string;

  constructor(tree: string) {
    this.root = mkdtempSync(join(tmpdir(), "kleidi-mutate-"));
    cpSync(tree, this.root, {
      recursive: true,
      verbatimSymlinks: true,
      mode: constants.COPYFILE_FICLONE,
      filter: (path) => !LEFT_OUT.has(basename(path)),
    });
    // short: the paths of sockets have at most 107 bytes
    this.temporary = join(this.root, "t");
    mkdirSync(this.temporary, { recursive: true });
  }

  path(file: string): string {
    return join(this.root, file);
  }

  has(file: string): boolean {
    return existsSync(this.path(file));
  }

  read(file: string): string {
    return readFileSync(this.path(file), "utf8");
  }

  write(file: string, text: string): void {
    writeFileSync(this.path(file), text);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true, maxRetries: 3 });
  }
}
