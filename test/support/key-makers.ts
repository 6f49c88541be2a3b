/** Starts processes of key-maker.ts. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Order } from "./key-maker.ts";

const program = join(import.meta.dirname, "key-maker.ts");

export class KeyMaker {
  readonly process: ChildProcess = spawn(process.execPath, [program], { stdio: ["pipe", "pipe", "inherit"] });
  readonly #lines = createInterface({ input: this.process.stdout as NodeJS.ReadableStream })[
    Symbol.asyncIterator
  ]();

  static async start(): Promise<KeyMaker> {
    const maker = new KeyMaker();
    await maker.#line();
    return maker;
  }

  /** The line that it printed; undefined if it ended. */
  async make(order: Order): Promise<string | undefined> {
    this.process.stdin?.write(`${JSON.stringify(order)}\n`);
    return await this.#line();
  }

  async end(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exited = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await exited;
  }

  async #line(): Promise<string | undefined> {
    const { done, value } = await this.#lines.next();
    return done === true ? undefined : value;
  }
}

/** The results of two processes with the same order at the same time. */
export async function race(makers: readonly KeyMaker[], order: Order): Promise<(string | undefined)[]> {
  const at = Date.now() + 10;
  return await Promise.all(makers.map((maker) => maker.make({ ...order, at })));
}
