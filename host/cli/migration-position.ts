/** The position of a migration in a file, so that one that was interrupted continues. The file is a hint: the count at the end reads every object. */
import { rmSync } from "node:fs";
import * as z from "zod";
import { FileFault, readRegular } from "../lib/files.ts";
import { replaceFile } from "../lib/write-files.ts";
import { UsageError } from "./usage-error.ts";

const MAX_BYTES = 64 << 10;

const shape = z.strictObject({
  /** The hash of the key_id that was active: objects that were written under another one are stale again. */
  key: z.string(),
  resources: z.array(z.string()),
  /** The resource of the position; those before it in `resources` are finished. */
  resource: z.string(),
  /** The last object that was sent, "default/name"; the next ones follow in the order of the list. */
  after: z.string(),
});

export type Position = z.output<typeof shape>;

export class PositionFile {
  readonly #path: string | undefined;

  /** @param path undefined: no position is kept */
  constructor(path: string | undefined) {
    this.#path = path;
  }

  /**
   * @returns the position of an earlier run over the same resources under the same key; undefined if there is none
   * @throws UsageError the file is not a position
   */
  read(key: string, resources: readonly string[]): Position | undefined {
    if (this.#path === undefined) return undefined;
    const bytes = readRegular(this.#path, MAX_BYTES);
    if (bytes instanceof FileFault) {
      if (bytes.kind === "missing") return undefined;
      throw new UsageError(`Cannot read the position in ${this.#path}: it ${bytes.text}`);
    }
    const position = parsed(bytes.toString());
    if (position === undefined)
      throw new UsageError(
        `Cannot read the position in ${this.#path}: it is not a file of kleidi migrate; give another path`,
      );
    const same = position.key === key && position.resources.join() === resources.join();
    return same && resources.includes(position.resource) ? position : undefined;
  }

  write(position: Position): void {
    if (this.#path !== undefined) replaceFile(this.#path, `${JSON.stringify(position)}\n`, 0o600);
  }

  /** Removes the file, after a migration that reached its end. */
  remove(): void {
    if (this.#path !== undefined) rmSync(this.#path, { force: true });
  }
}

function parsed(text: string): Position | undefined {
  try {
    return shape.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
