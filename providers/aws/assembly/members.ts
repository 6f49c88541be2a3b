/** Reads a member of an answer, with a default for one that is absent or of another type. */
import { JsonValue } from "../../../sdk/assemblyscript/assembly";

/** Returns the text of a member; "" if it is absent or of another type. */
export function textOf(object: JsonValue, name: string): string {
  const value = object.get(name);
  if (value == null) return "";
  const text = value.text();
  return text == null ? "" : text;
}
