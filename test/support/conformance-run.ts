/** Runs the conformance kit on a module with the KMS of a configuration, and checks that all of it passes. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import type { TestContext } from "node:test";
import { kleidi } from "./fixture.ts";
import { Listener } from "./listener.ts";

export interface KitRun {
  /** The path of the module. */
  readonly module: string;
  /** The path of the configuration. */
  readonly config: string;
  /** A program in JavaScript that rotates the key, without apostrophes; it exits with 0. */
  readonly rotate: string;
  readonly options?: readonly string[];
  /** Checks that must be among the passed ones, besides those of each KMS. */
  readonly names?: readonly string[];
}

/** @throws AssertionError a check failed, warned, or is missing */
export async function assertPassesKit(t: Pick<TestContext, "diagnostic">, run: KitRun): Promise<void> {
  const { module, config, rotate, options = [], names = [] } = run;
  const command = ["provider", "test", module, "--config", config];
  command.push("--rotate", `'${process.execPath}' -e '${rotate}'`, ...options);
  const stdout = await new Promise<string>((resolve) => {
    execFile(kleidi, command, { timeout: 400_000 }, (_error, out, err) => resolve(out + err));
  });
  assert.match(stdout, /^# pass \d+, fail 0, warn 0, skip \d+$/m, stdout);
  for (const name of ["seeds_64_at_once", "key_rotated", "ciphertext_with_each_byte_changed", ...names])
    assert.match(stdout, new RegExp(`^ok \\d+ - \\w+: ${name}$`, "m"), stdout);
  t.diagnostic(stdout.trimEnd().split("\n").at(-1) ?? "");
}

/**
 * Lets a program rotate a key of a stand-in, which is in the process of the test.
 * @param rotate is called for each request
 * @param work gets the program
 */
export async function withRotator(
  rotate: () => void,
  work: (program: string) => Promise<void>,
): Promise<void> {
  const rotator = await Listener.start(
    () => {
      rotate();
      return { status: 200, body: "" };
    },
    () => Date.now(),
  );
  try {
    await work(`fetch("${rotator.origin}").then(({ok})=>process.exit(ok?0:1))`);
  } finally {
    await rotator.close();
  }
}
