/** A cloud's own SDK for Go as a process that answers one request after the other: a line of JSON each way. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "./fixture.ts";

export class Drive<Answer> {
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  /**
   * @param build the script that builds the program, once for each content
   * @param environment what the SDK reads its configuration from; nothing of the test's own but PATH
   */
  constructor(build: string, environment: Readonly<Record<string, string>>) {
    const program = execFileSync("bash", [join(root, build)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    }).trim();
    const env = { PATH: process.env.PATH ?? "", ...environment };
    this.#process = spawn(program, [], { stdio: ["pipe", "pipe", "inherit"], env });
    const { stdout } = this.#process;
    assert.ok(stdout !== null);
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async ask(request: Readonly<Record<string, unknown>>): Promise<Answer> {
    this.#process.stdin?.write(`${JSON.stringify(request)}\n`);
    const { done, value } = await this.#answers.next();
    assert.ok(!done, `the SDK ended at: ${JSON.stringify(request)}`);
    return JSON.parse(value);
  }

  close(): void {
    this.#process.kill("SIGKILL");
  }
}
