/** AWS's own SDK for Go as a process that answers one request after the other (test/aws/cmd/awsdrive). */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "./fixture.ts";

export interface SdkAnswer {
  readonly headers?: Readonly<Record<string, string>>;
  readonly key?: string;
  readonly material?: string;
  readonly state?: string;
  /** base64 */
  readonly plaintext?: string;
  /** base64 */
  readonly ciphertext?: string;
  readonly identity?: string;
  readonly error?: string;
  readonly message?: string;
  readonly status?: number;
}

/** Builds the program, once for each content. @returns its path */
export function buildAwsDrive(): string {
  return execFileSync("bash", [join(root, "test/aws/build.sh")], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
}

export class AwsDrive {
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  /** @param environment what the SDK reads its configuration from; nothing of the test's own but PATH */
  constructor(environment: Readonly<Record<string, string>> = {}) {
    this.#process = spawn(buildAwsDrive(), [], {
      stdio: ["pipe", "pipe", "inherit"],
      env: {
        PATH: process.env.PATH ?? "",
        // Neither files of the user nor a metadata service of this machine, unless the test names one.
        AWS_CONFIG_FILE: "/dev/null",
        AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
        AWS_EC2_METADATA_DISABLED: "true",
        ...environment,
      },
    });
    const { stdout } = this.#process;
    assert.ok(stdout !== null);
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async ask(request: Readonly<Record<string, unknown>>): Promise<SdkAnswer> {
    this.#process.stdin?.write(`${JSON.stringify(request)}\n`);
    const { done, value } = await this.#answers.next();
    assert.ok(!done, `the SDK ended at: ${JSON.stringify(request)}`);
    return JSON.parse(value);
  }

  close(): void {
    this.#process.kill("SIGKILL");
  }
}
