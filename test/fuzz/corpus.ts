/**
 * The corpus: inputs in corpus/TARGET/, one file each. Some have an outcome that few others have, some once made a property fail. npm
 * test replays all of them; npm run fuzz begins with them, and with --keep adds to them.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fromJson, toJson } from "./corpus-value.ts";
import type { Property } from "./target.ts";

const ROOT = join(import.meta.dirname, "corpus");
/** The number of inputs kept for one outcome of one property. */
const EACH = 3;
/** The number of outcomes of one property for which inputs are kept. */
const MOST_OUTCOMES = 64;
/** An input that takes longer hangs, which is a failure too. */
export const HANG_MS = 60_000;
/** The largest size of one file. */
export const LARGEST = 8192;

export interface Kept {
  /** The property's name. */
  readonly property: string;
  readonly outcomes: readonly string[];
  /** The failure of the property with this input, if it is kept for that; never replaced. */
  readonly found?: string;
  /** The arguments of the property, as written by corpus-value.ts. */
  readonly input: unknown;
}

export interface Entry extends Kept {
  /** The path under corpus/. */
  readonly file: string;
}

export function readCorpus(target: string, root = ROOT): Entry[] {
  const folder = join(root, target);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => ({
      file: `${target}/${name}`,
      ...(JSON.parse(readFileSync(join(folder, name), "utf8")) as Kept),
    }));
}

/**
 * Runs a property on a kept input.
 * @returns the reason of the failure; undefined where the property holds
 */
export async function replay({ property }: Property, { input }: Kept): Promise<unknown> {
  const hang = Promise.withResolvers<{ error: Error }>();
  const error = new Error(`it did not finish within ${HANG_MS} ms`);
  const timer = setTimeout(() => hang.resolve({ error }), HANG_MS);
  await property.runBeforeEach();
  try {
    const failure = await Promise.race([property.run(fromJson(input)), hang.promise]);
    return failure !== null && "error" in failure ? failure.error : undefined;
  } finally {
    clearTimeout(timer);
    await property.runAfterEach();
  }
}

/** The new corpus of one target. */
export class Collection {
  readonly #target: string;
  readonly #root: string;
  readonly #kept = new Map<string, Kept>();
  /** The number of inputs by property and outcome. */
  readonly #counts = new Map<string, Map<string, number>>();

  constructor(target: string, root = ROOT) {
    this.#target = target;
    this.#root = root;
  }

  /** Whether an input with these outcomes is worth keeping. */
  wants(property: string, outcomes: readonly string[]): boolean {
    const counts = this.#counts.get(property);
    return outcomes.some((outcome) => {
      const count = counts?.get(outcome);
      return count === undefined ? (counts?.size ?? 0) < MOST_OUTCOMES : count < EACH;
    });
  }

  /** @returns whether it is kept: it must be small, have a JSON form, and be new */
  add({ property, outcomes, found }: Omit<Kept, "input">, value: unknown): boolean {
    let input: unknown;
    try {
      input = toJson(value);
    } catch (error) {
      if (error instanceof TypeError) return false;
      throw error;
    }
    const kept = { property, outcomes, ...(found === undefined ? {} : { found }), input };
    const name = createHash("sha256")
      .update(JSON.stringify([property, input]))
      .digest("hex")
      .slice(0, 16);
    if (this.#kept.has(name) || textOf(kept).length > LARGEST) return false;
    this.#kept.set(name, kept);
    const counts = this.#counts.get(property) ?? new Map<string, number>();
    this.#counts.set(property, counts);
    for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    return true;
  }

  /** Writes the kept inputs and removes the others. @returns the number of files that it added and removed */
  write(): { added: number; removed: number } {
    const folder = join(this.#root, this.#target);
    mkdirSync(folder, { recursive: true });
    const before = new Set(readdirSync(folder));
    const after = new Set([...this.#kept.keys()].map((name) => `${name}.json`));
    for (const name of before.difference(after)) rmSync(join(folder, name));
    for (const [name, kept] of this.#kept) writeFileSync(join(folder, `${name}.json`), textOf(kept));
    return { added: after.difference(before).size, removed: before.difference(after).size };
  }
}

/** JSON.stringify escapes lone surrogates, so that the file is valid UTF-8. */
function textOf(kept: Kept): string {
  const { input, ...head } = kept;
  return `${JSON.stringify(head, undefined, 1).slice(0, -2)},\n "input": ${JSON.stringify(input)}\n}\n`;
}
