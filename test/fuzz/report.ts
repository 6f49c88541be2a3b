/** The report of a failure: enough to replay it exactly, and bounded. */
import { inspect } from "node:util";
import type fc from "fast-check";
import type { Entry } from "./corpus.ts";
import type { Property } from "./target.ts";

const MAX_BYTES = 4096;
const MAX_TEXT = 8192;

export function describeFailure(
  target: string,
  { name }: Property,
  { seed, counterexamplePath, counterexample, errorInstance }: fc.RunDetails<unknown>,
): string {
  const replay = `npm run fuzz -- --target ${target} --property ${JSON.stringify(name)} --seed ${seed} --path ${counterexamplePath}`;
  const error =
    errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : errorInstance;
  return [
    `Found by ${target}: this property fails: ${name}`,
    `seed ${seed}, path ${counterexamplePath}`,
    `counterexample: ${cut(show(counterexample))}`,
    cut(String(error)),
    `Replay: ${replay}`,
  ].join("\n");
}

/** Describes a failure with an input of the corpus. */
export function describeKept({ file, property }: Entry, error: unknown): string {
  const said = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `This property fails: ${property}\ninput: test/fuzz/corpus/${file}\n${cut(said)}`;
}

/** Short bytes as hexadecimal, others as base64. */
function show(value: unknown): string {
  if (value instanceof Uint8Array) {
    const bytes = Buffer.from(value.subarray(0, MAX_BYTES));
    const more = value.length > MAX_BYTES ? ` and ${value.length - MAX_BYTES} bytes more` : "";
    return value.length <= 256 ? `hex:${bytes.toString("hex")}` : `base64:${bytes.toString("base64")}${more}`;
  }
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    const parts = Object.entries(value).map(([key, part]) => `${key}: ${show(part)}`);
    return `{ ${parts.join(", ")} }`;
  }
  return inspect(value);
}

function cut(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}… (${text.length} characters)`;
}
