/**
 * Many lines to stdout. process.stdout keeps in memory what its reader has not taken: here the command waits for its reader instead.
 */
import { writeSync } from "node:fs";
import { EXIT } from "./output.ts";

const BATCH = 65_536;
const FULL_MS = 5;

export class LineWriter {
  #text = "";

  write(line: string): void {
    this.#text += `${line}\n`;
    if (this.#text.length >= BATCH) this.flush();
  }

  flush(): void {
    const bytes = Buffer.from(this.#text);
    this.#text = "";
    for (let at = 0; at < bytes.length; ) at += some(bytes.subarray(at));
  }
}

function some(bytes: Buffer): number {
  try {
    return writeSync(1, bytes);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // "kleidi … | head" ends when its reader does
    if (code === "EPIPE") process.exit(EXIT.SUCCESS);
    if (code !== "EAGAIN") throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_MS);
    return 0;
  }
}
