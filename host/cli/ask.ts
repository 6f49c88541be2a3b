/** Asks questions on the terminal. The questions go to stderr, so that stdout has only the result of the command. */
import { createInterface } from "node:readline";
import { UsageError } from "./usage-error.ts";

/** @returns true if a person can be asked: stdin and stderr are a terminal */
export function isInteractive(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** A terminal on which one question at a time is asked. */
export class Terminal {
  // Lines by the terminal's own editing; the iterator keeps those that are typed, or pasted, before their question.
  readonly #reader = createInterface({ input: process.stdin, terminal: false });
  readonly #lines = this.#reader[Symbol.asyncIterator]();

  /**
   * Asks until the answer has no fault.
   * @param prompt a noun phrase
   * @param byDefault the answer of an empty line
   * @param faultOf describes the fault of an answer
   * @returns the answer, without spaces around it
   * @throws UsageError, the input has ended
   */
  async ask(
    prompt: string,
    byDefault: string,
    faultOf: (answer: string) => string | undefined,
  ): Promise<string> {
    const shown = byDefault === "" ? "" : ` [${byDefault}]`;
    for (;;) {
      process.stderr.write(`${prompt}${shown}: `);
      const { done, value: line } = await this.#lines.next();
      if (done) throw new UsageError("\nNothing was written: the questions were not answered");
      const answer = line.trim() || byDefault;
      const fault = faultOf(answer);
      if (fault === undefined) return answer;
      process.stderr.write(`  ${fault}\n`);
    }
  }

  close(): void {
    this.#reader.close();
  }
}
