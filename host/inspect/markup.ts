/** HTML in which nothing but this project's own templates is markup. */
import { prose } from "./shown.ts";

/** Text that is markup already: what `html` makes, and the style. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Value = string | number | Markup | readonly Markup[];

/** A template whose values are escaped, unless they are markup. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return new Markup(
    strings.map((text, i) => text + (i < values.length ? written(values[i] as Value) : "")).join(""),
  );
}

function written(value: Value): string {
  if (value instanceof Markup) return value.text;
  if (typeof value === "string" || typeof value === "number") return escaped(String(value));
  return value.map(({ text }) => text).join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(text: string): string {
  return prose(text).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}
