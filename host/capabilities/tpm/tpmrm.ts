/**
 * The kernel's resource manager, /dev/tpmrm0: one write is a command, one read its response. Opened with O_NONBLOCK, because a write
 * that waits for the TPM would hold one of the few threads for file operations. The kernel then works in the background, and a read
 * fails with EAGAIN until the response is ready.
 */
import { close, constants, open, read, write } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { MAX_SIZE, managerAnswer, Rc } from "./response.ts";
import type { Transport } from "./transport.ts";
import { TransportError } from "./transport-error.ts";

const FIRST_WAIT_MS = 1;
const LONGEST_WAIT_MS = 16;

const openFile = promisify(open);

export async function openTpmrm(path: string): Promise<Transport> {
  try {
    return new Tpmrm(await openFile(path, constants.O_RDWR | constants.O_NONBLOCK));
  } catch (error) {
    const errno = codeOfError(error);
    throw new TransportError(`${path} cannot be opened (${errno})`, errno);
  }
}

class Tpmrm implements Transport {
  readonly #file: number;
  #closed = false;

  constructor(file: number) {
    this.#file = file;
  }

  async exchange(command: Uint8Array): Promise<Uint8Array> {
    try {
      const written = await this.#do(() => promisify(write)(this.#file, command, 0, command.length, null));
      if (written.bytesWritten !== command.length)
        throw new TransportError("the kernel accepted only a part of a command");
      const buffer = new Uint8Array(MAX_SIZE);
      for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
        const length = await this.#do(() => this.#read(buffer));
        if (length > 0) return buffer.slice(0, length);
        await sleep(wait);
      }
    } catch (error) {
      if (error instanceof TransportError) throw error;
      // The three slots of this connection are used. The kernel has flushed the object that it had no slot for.
      if (codeOfError(error) === "ENOMEM") return managerAnswer(Rc.OBJECT_MEMORY);
      throw new TransportError(`the kernel's resource manager failed (${codeOfError(error)})`);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    close(this.#file, () => {});
  }

  /** @returns the length of the response; 0 while the TPM is working */
  async #read(buffer: Uint8Array): Promise<number> {
    try {
      const { bytesRead } = await promisify(read)(this.#file, buffer, 0, buffer.length, null);
      return bytesRead;
    } catch (error) {
      if (codeOfError(error) === "EAGAIN") return 0;
      throw error;
    }
  }

  /** Never uses a closed descriptor: its number may belong to another file by now. */
  #do<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new TransportError("the connection is closed");
    return work();
  }
}

function codeOfError(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "unknown";
}
