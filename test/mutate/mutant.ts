/** One file of the copy: its changes, and the fate of each. */
import { API } from "typescript/unstable/sync";
import { type Change, changesTo } from "./changes.ts";
import type { TreeCopy } from "./copy.ts";
import { compiles, runTest } from "./run-test.ts";

export type Fate = "killed" | "survived" | "not compiled";

export interface Tested {
  readonly file: string;
  readonly line: number;
  readonly kind: string;
  readonly was: string;
  readonly is: string;
  readonly fate: Fate;
  /** The test file that noticed it. */
  readonly by?: string;
}

/** The time limit of a test that is slow without a change. */
const BASELINE_MS = 120_000;

/** @throws Error where the file is not in its project */
export function changesOf(copy: TreeCopy, file: string): Change[] {
  // a guest's code is in another project, which its own compiler checks
  const api = new API({ cwd: copy.root });
  try {
    const config = copy.path(`${guestOf(file) ?? "."}/tsconfig.json`);
    const [project] = api.updateSnapshot({ openProject: config }).getProjects();
    const source = project?.program.getSourceFile(copy.path(file));
    if (source === undefined) throw new Error(`Cannot find ${file} in its project`);
    return changesTo(source);
  } finally {
    api.close();
  }
}

const guestOf = (file: string) => /^.*\/assembly(?=\/)/.exec(file)?.[0];

export class Laboratory {
  readonly #copy: TreeCopy;
  readonly #tsc: string;
  readonly #limitMs: number;
  readonly #signal: AbortSignal;
  /** Milliseconds by test; undefined for a test that fails without a change. */
  readonly #usual = new Map<string, number | undefined>();

  constructor(copy: TreeCopy, tsc: string, limitMs: number, signal: AbortSignal) {
    this.#copy = copy;
    this.#tsc = tsc;
    this.#limitMs = limitMs;
    this.#signal = signal;
  }

  /** The tests among these that failed without a change. */
  failing(tests: readonly string[]): string[] {
    return tests.filter((test) => this.#usual.has(test) && this.#usual.get(test) === undefined);
  }

  /** Makes the change, runs the tests until one fails, and reverts the change. @returns undefined if it was stopped */
  async try(file: string, change: Change, tests: readonly string[]): Promise<Tested | undefined> {
    const all = this.#copy.read(file);
    const changed = all.slice(0, change.start) + change.text + all.slice(change.end);
    try {
      const { fate, by } = await this.#fate(file, tests, all, changed);
      if (this.#signal.aborted) return undefined;
      return {
        file,
        line: all.slice(0, change.start).split("\n").length,
        kind: change.kind,
        was: all.slice(change.start, change.end),
        is: change.text,
        fate,
        ...(by === undefined ? {} : { by }),
      };
    } finally {
      this.#copy.write(file, all);
    }
  }

  async #fate(
    file: string,
    tests: readonly string[],
    all: string,
    changed: string,
  ): Promise<{ fate: Fate; by?: string }> {
    let left = this.#limitMs;
    for (const test of tests) {
      this.#copy.write(file, all);
      const takes = await this.#baseline(test);
      this.#copy.write(file, changed);
      if (takes === undefined || (takes > left && test !== tests[0])) continue;
      const { ok, ms, compiled } = await runTest(this.#copy, test, 5_000 + 4 * takes, this.#signal);
      left -= ms;
      if (!ok) return { fate: compiled ? "killed" : "not compiled", by: test };
    }
    const checked = guestOf(file) !== undefined || (await compiles(this.#copy, this.#tsc, this.#signal));
    return { fate: checked ? "survived" : "not compiled" };
  }

  /** The duration of a test without a change; undefined where it fails. */
  async #baseline(test: string): Promise<number | undefined> {
    if (!this.#usual.has(test)) {
      const { ok, ms } = await runTest(this.#copy, test, BASELINE_MS, this.#signal);
      if (this.#signal.aborted) return undefined;
      this.#usual.set(test, ok ? ms : undefined);
    }
    return this.#usual.get(test);
  }
}
