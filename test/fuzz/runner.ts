/** Runs one property of a target on kept inputs and on new ones, and counts the outcomes. */
import fc from "fast-check";
import { Collection, HANG_MS, readCorpus, replay } from "./corpus.ts";
import { fromJson } from "./corpus-value.ts";
import { describeFailure, describeKept } from "./report.ts";
import type { OpenTarget, Property, Target } from "./target.ts";

const SHRINK_MS = 60_000;

export interface Runner {
  readonly target: RunningTarget;
  readonly property: Property;
  inputs: number;
  failed: boolean;
}

/** An open target with its runners. */
export class RunningTarget {
  readonly name: string;
  readonly runners: Runner[] = [];
  /** The number of inputs by outcome. */
  readonly outcomes = new Map<string, number>();
  readonly #collection: Collection | undefined;
  #opened: OpenTarget | undefined;
  /** The outcomes of the input that is being run. */
  readonly #now = new Set<string>();
  #end = Number.POSITIVE_INFINITY;

  private constructor(name: string, keep: boolean) {
    this.name = name;
    this.#collection = keep ? new Collection(name) : undefined;
  }

  static async open(target: Target, keep: boolean): Promise<RunningTarget> {
    const running = new RunningTarget(target.name, keep);
    const opened = await target.open((outcome) => {
      running.#now.add(outcome);
      running.outcomes.set(outcome, (running.outcomes.get(outcome) ?? 0) + 1);
    });
    running.#opened = opened;
    for (const each of opened.properties) {
      const property = { ...each, property: running.#watched(each) };
      running.runners.push({ target: running, property, inputs: 0, failed: false });
    }
    return running;
  }

  get inputs(): number {
    return this.runners.reduce((sum, { inputs }) => sum + inputs, 0);
  }

  get failures(): number {
    return this.runners.filter(({ failed }) => failed).length;
  }

  /** Runs the kept inputs. @returns descriptions of failures */
  async replay(): Promise<string[]> {
    const failures: string[] = [];
    for (const entry of readCorpus(this.name)) {
      const runner = this.runners.find(({ property }) => property.name === entry.property);
      if (runner === undefined) continue;
      this.#now.clear();
      const error = await replay(runner.property, entry);
      runner.inputs += 1;
      if (entry.found !== undefined) this.#collection?.add(entry, fromJson(entry.input));
      if (error === undefined) continue;
      runner.failed = true;
      failures.push(describeKept(entry, error));
    }
    return failures;
  }

  /**
   * Runs new inputs.
   * @param ms no input begins after that
   * @returns the description of a failure
   */
  async run(
    runner: Runner,
    parameters: fc.Parameters<unknown>,
    ms = Number.POSITIVE_INFINITY,
  ): Promise<string | undefined> {
    // not interruptAfterTimeLimit: it abandons an input that hangs, without a report
    this.#end = performance.now() + ms;
    let details = await fc.check(runner.property.property, {
      timeout: HANG_MS,
      markInterruptAsFailure: false,
      ...parameters,
    });
    runner.inputs += details.numRuns;
    if (!details.failed) return undefined;
    runner.failed = true;
    this.#end = Number.POSITIVE_INFINITY;
    // the turn's end may have cut the shrinking short: continue from there
    const { seed, counterexamplePath } = details;
    if (counterexamplePath !== null && parameters.path === undefined) {
      const shrunk = await fc.check(runner.property.property, {
        seed,
        path: counterexamplePath,
        timeout: HANG_MS,
        interruptAfterTimeLimit: SHRINK_MS,
      });
      if (shrunk.failed && shrunk.counterexamplePath !== null) details = shrunk;
    }
    const [found = ""] = String(details.errorInstance).split("\n");
    const kept = { property: runner.property.name, outcomes: [], found: found.slice(0, 200) };
    if (details.counterexample !== null) this.#collection?.add(kept, details.counterexample);
    return describeFailure(this.name, runner.property, details);
  }

  async close(): Promise<void> {
    await this.#opened?.close?.();
  }

  /** Writes the corpus, if inputs are kept. */
  write(): { added: number; removed: number } | undefined {
    return this.#collection?.write();
  }

  /** Wraps the property to record the outcomes of its inputs. */
  #watched({ name, property }: Property): fc.IRawProperty<unknown> {
    const note = (value: unknown, failure: unknown) => {
      const outcomes = [...this.#now];
      if (failure === null && this.#collection?.wants(name, outcomes))
        this.#collection.add({ property: name, outcomes }, value);
    };
    const run = (value: unknown) => {
      if (performance.now() > this.#end) {
        const over = new fc.PreconditionFailure(true);
        return property.isAsync() ? Promise.resolve(over) : over;
      }
      this.#now.clear();
      const result: unknown = property.run(value);
      if (!(result instanceof Promise)) note(value, result);
      return result instanceof Promise
        ? result.then((failure) => {
            note(value, failure);
            return failure;
          })
        : result;
    };
    return {
      isAsync: () => property.isAsync(),
      generate: (random, runId) => property.generate(random, runId),
      shrink: (value) => property.shrink(value),
      runBeforeEach: () => property.runBeforeEach(),
      runAfterEach: () => property.runAfterEach(),
      run: run as fc.IRawProperty<unknown>["run"],
    };
  }
}
