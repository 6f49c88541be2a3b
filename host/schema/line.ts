/** One line of YAML: the correction that a fault shows. */
import { stringify } from "yaml";
import { cut, type Path } from "./text.ts";

/**
 * Writes the line of YAML that sets a key or a list item.
 * @param path its last step is the key; a number for a list item
 * @param content a value, which is cut to 60 characters, or YAML text
 * @example lineFor(["keys", 0, "use"], { value: "active" }) === "use: active"
 */
export function lineFor(path: Path, content: { value: unknown } | { text: string }): string {
  const key = path.at(-1);
  const text = "text" in content ? content.text : cut(toYaml(content.value));
  if (key === undefined) return text;
  return typeof key === "number" ? `- ${text}` : `${key}: ${text}`;
}

/** A value as YAML on one line. Characters that a terminal acts on become escape sequences in double quotes. */
function toYaml(value: unknown): string {
  const text = stringify(value, { lineWidth: 0 }).trim();
  if (!/[\p{C}\p{Zl}\p{Zp}]/u.test(text)) return text;
  return JSON.stringify(value).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    const hex = (character.codePointAt(0) ?? 0).toString(16);
    return hex.length > 4 ? `\\U${hex.padStart(8, "0")}` : `\\u${hex.padStart(4, "0")}`;
  });
}
