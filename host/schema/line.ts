/** What to write, as one line of YAML. */
import { stringify } from "yaml";
import { cut, type Path } from "./text.ts";

/** The line of YAML that gives a path's last step a value, or its text as YAML. */
export function lineFor(path: Path, content: { value: unknown } | { text: string }): string {
  const key = path.at(-1);
  const text = "text" in content ? content.text : cut(written(content.value));
  if (key === undefined) return text;
  return typeof key === "number" ? `- ${text}` : `${key}: ${text}`;
}

/** A value as YAML on one line; what a terminal would act on as an escape sequence of YAML's double quotes. */
function written(value: unknown): string {
  const text = stringify(value, { lineWidth: 0 }).trim();
  if (!/[\p{C}\p{Zl}\p{Zp}]/u.test(text)) return text;
  return JSON.stringify(value).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    const hex = (character.codePointAt(0) ?? 0).toString(16);
    return hex.length > 4 ? `\\U${hex.padStart(8, "0")}` : `\\u${hex.padStart(4, "0")}`;
  });
}
