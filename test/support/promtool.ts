/** Prometheus' own tool from Debian's package. */
import { spawnSync } from "node:child_process";
import { programOf } from "./debian.ts";

export interface Said {
  readonly status: number | null;
  readonly text: string;
}

export function promtool(args: readonly string[], input = ""): Said {
  const { status, stdout, stderr } = spawnSync(programOf("prometheus"), args, { input, encoding: "utf8" });
  return { status, text: `${stdout}${stderr}` };
}

/** A sample of a scrape. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The samples of a scrape, buckets under their own names. */
export function samplesOf(scrape: string): Sample[] {
  return scrape.split("\n").flatMap((line) => {
    const [, name, labels = "", value] = /^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = "", text = ""]) => [
      key,
      text,
    ]);
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}

/** The sum of a metric's samples that have these labels. */
export function total(samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number {
  return samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
    .reduce((sum, { value }) => sum + value, 0);
}
