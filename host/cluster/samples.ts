/** Reads Prometheus' text format (exposition format 0.0.4): the samples of a few metrics. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?[0-9]+)?$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES: Readonly<Record<string, string>> = { "\\\\": "\\", '\\"': '"', "\\n": "\n" };

/**
 * @param text of /metrics
 * @param prefixes of the names of the wanted metrics
 * @returns the samples in the order of the text; other lines are skipped
 */
export function samplesOf(text: string, prefixes: readonly string[]): Sample[] {
  const wanted = text.split("\n").filter((line) => prefixes.some((prefix) => line.startsWith(prefix)));
  return wanted.flatMap((line) => sampleOf(line) ?? []);
}

/** @returns the sample in one line of /metrics; undefined if the line is not a sample */
export function sampleOf(line: string): Sample | undefined {
  const [, name, labels = "", number = ""] = LINE.exec(line) ?? [];
  const value = Number(number);
  return name === undefined || Number.isNaN(value) ? undefined : { name, labels: labelsOf(labels), value };
}

function labelsOf(text: string): Record<string, string> {
  const pairs = [...text.matchAll(LABEL)].map(
    ([, name = "", value = ""]) => [name, unescaped(value)] as const,
  );
  return Object.fromEntries(pairs);
}

function unescaped(text: string): string {
  return text.replace(/\\./g, (sequence) => ESCAPES[sequence] ?? sequence);
}
