/** Reads the custom section "producers" (WebAssembly tool conventions): the build tools that the module names. Not verified. */
import type { CustomSection } from "../module/wasm/module.ts";
import { Reader } from "../module/wasm/reader.ts";

export interface Producer {
  /** "language", "processed-by" or "sdk" by convention. */
  readonly field: string;
  readonly name: string;
  readonly version: string;
}

const MAX_PRODUCERS = 64;
const MAX_TEXT = 200;

/** Returns the producers up to the first malformed entry, at most 64. */
export function producersOf(sections: readonly CustomSection[]): Producer[] {
  const producers: Producer[] = [];
  const section = sections.find(({ name }) => name === "producers");
  if (section === undefined) return producers;
  const reader = new Reader(section.bytes, 0);
  const text = () => reader.name().slice(0, MAX_TEXT);
  try {
    for (let fields = reader.count(2); fields > 0; fields--) {
      const field = text();
      for (let values = reader.count(2); values > 0; values--) {
        if (producers.length === MAX_PRODUCERS) return producers;
        producers.push({ field, name: text(), version: text() });
      }
    }
  } catch {
    // malformed: engines ignore this section, so the entries before the fault are shown
  }
  return producers;
}
